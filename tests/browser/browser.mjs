// A Chromium without a window, with a profile of its own that is new and empty.

import { createRequire } from "node:module";

const require = createRequire(new URL("../../.cache/browser/", import.meta.url));
const { chromium } = require("playwright-core");
export const axe = require("axe-core");

export const launch = () =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
