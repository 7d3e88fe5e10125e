// Starts the built launcher with a small Flask service, and ends it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds: longer than anything takes on a loaded machine. */
export const DEADLINE = 60_000;

const MAIN = `
import time
from flask import Flask

app = Flask(__name__)


@app.get("/report")
def report():
    time.sleep(0.01)
    return "ok"


@app.get("/orders/<int:number>/invoice")
def hang(number):
    time.sleep(600)


@app.get("/boom")
def boom():
    raise RuntimeError("<img src=x onerror=alert(2)>")


@app.get("/<path:path>")
def slow(path):
    time.sleep(1.5)
    return path, 404
`;

/** What `attempt` returns as soon as that is something. */
export async function until(what, attempt) {
  const end = Date.now() + DEADLINE;
  while (Date.now() < end) {
    const result = await attempt();
    if (result) return result;
    // The interval between two polls.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${DEADLINE / 1000} s`);
}

async function freePort() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A service in production; `admin` and `clients` are its addresses. */
export async function start(name, slots) {
  // Others than root, as whom the application runs, may enter it.
  const folder = mkdtempSync(join(tmpdir(), "browser-"));
  chmodSync(folder, 0o755);
  const app = join(folder, name);
  for (const part of ["src", "config"]) mkdirSync(join(app, part), { recursive: true });
  writeFileSync(join(app, "src", "main.py"), MAIN);
  const nginx_config = { wsgi_worker_threads_count: slots, admin_details: true, stop_timeout: 1 };
  writeFileSync(join(app, "config", "config.json"), JSON.stringify({ use_nginx: true, nginx_config }));
  const [clients, admin] = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`);
  const target = process.env.CARGO_TARGET_DIR ?? new URL("../../target", import.meta.url).pathname;
  const words = ["run", "--app", app, "--runtime-dir", join(folder, "run"), "--listen", clients, "--admin", admin];
  const child = spawn(join(target, "debug", "microservice-flask"), words, {
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const ended = once(child, "exit");
  const end = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const addresses = { clients: `http://${clients}`, admin: `http://${admin}` };
  try {
    await until("ready", async () => {
      if (child.exitCode !== null) throw new Error(`the launcher has ended:\n${output}`);
      const answer = await fetch(`${addresses.admin}/readyz`).catch(() => null);
      return answer?.ok;
    });
  } catch (error) {
    await end();
    throw error;
  }
  // The path is sent as it is. Who is not waited for may be cut at the end.
  const ask = (path, headers = {}) =>
    new Promise((resolve) => {
      const [host, port] = clients.split(":");
      const request = get({ host, port, path, headers }, (answer) => answer.resume().on("close", resolve));
      request.on("error", resolve);
    });
  const status = async () => (await fetch(`${addresses.admin}/status`)).json();
  return { ...addresses, ask, status, end };
}
