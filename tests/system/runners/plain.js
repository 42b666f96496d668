// SPDX-License-Identifier: MPL-2.0
// A runner that knows the protocol (docs/external-runners.md), zeromq, and nothing else of Loads.
//
//     plain.js TEST URL
//
// Each execution asks for the URL and reports that.
"use strict";

const { Push } = require("zeromq");

const [test, url] = process.argv.slice(2);
const env = process.env;
const [hits, users, user] = ["HITS", "USERS"].map((name) => Number(env[`LOADS_TOTAL_${name}`])).concat(Number(env.LOADS_CURRENT_USER));
const socket = new Push();

function send(dataType, keys) {
  return socket.send(JSON.stringify({ data_type: dataType, agent_id: env.LOADS_AGENT_ID, run_id: env.LOADS_RUN_ID, ...keys }));
}

async function execute(hit) {
  const common = { test, loads_status: [hits, users, hit, user] };
  await send("startTest", common);
  const started = new Date();
  const answer = await fetch(url);
  await answer.text();
  const elapsed = (new Date() - started) / 1000;
  await send("add_hit", { ...common, url, method: "GET", status: answer.status, started: started.toISOString(), elapsed });
  await send("addSuccess", common);
  await send("stopTest", common);
}

async function main() {
  socket.connect(env.LOADS_ZMQ_RECEIVER);
  for (let hit = 1; hit <= hits; hit++) {
    await execute(hit);
  }
  socket.close();
}

main();
