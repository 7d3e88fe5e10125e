// Makes the pictures of the status page in docs/images: a service under load, in which a request hangs.

import { statSync } from "node:fs";

import { launch } from "./browser.mjs";
import { start, until } from "./service.mjs";

/** Bytes: pictures are kept in the history for ever. */
const LARGEST = 150_000;
const PICTURES = [
  ["light", { width: 1000, height: 760 }, "light"],
  ["dark", { width: 1000, height: 760 }, "dark"],
  ["phone", { width: 360, height: 800 }, "light"],
];

const service = await start("shop", 8);
const browser = await launch();
try {
  service.ask("/orders/17/invoice");
  service.ask("/orders/23/invoice");
  for (let second = 0; second < 40; second += 1) {
    for (let client = 0; client < 8 + (second * 7) % 20; client += 1) service.ask("/report");
    if (second % 9 === 0) service.ask("/boom");
    if (second % 5 === 0) service.ask("/export.csv");
    // The load of a second.
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (const [name, viewport, colorScheme] of PICTURES) {
    const page = await browser.newPage({ viewport, colorScheme });
    await page.goto(service.admin);
    for (let client = 0; client < 20; client += 1) service.ask("/export.csv");
    await until("a queue", async () => (await page.locator("#verdict").innerText()).includes("is busy"));
    const path = new URL(`../../docs/images/status-page-${name}.png`, import.meta.url).pathname;
    await page.screenshot({ path });
    const { size } = statSync(path);
    if (size > LARGEST) throw new Error(`${path}: ${size} bytes, ${LARGEST} are allowed`);
  }
} finally {
  await browser.close();
  await service.end();
}
