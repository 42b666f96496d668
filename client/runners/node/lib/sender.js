// SPDX-License-Identifier: MPL-2.0
// The way to loads-runner: a PUSH socket, and the queue before it, since one send at a time may be
// under way. Messages of one iteration travel as one batch: within a batch they are counted by their
// type, so that one batch of several iterations would mix them up. A batch leaves when its iteration
// ends, or soon after for what takes longer.
"use strict";

const zmq = require("zeromq");

const FLUSH_MSEC = 100;
const LAST_MSEC = 200;
const MAX_BATCH = 1000; // messages
const MAX_QUEUE = 1000; // batches, before whoever sends is asked to wait

class Sender {
  constructor(settings) {
    this.common = { agent_id: settings.agentId, run_id: settings.runId };
    this.socket = new zmq.Push();
    this.socket.linger = -1;
    this.socket.connect(settings.receiver);
    this.batch = []; // [data type, message]
    this.queue = []; // texts
    this.pumping = null;
    this.timer = null;
  }

  send(dataType, message) {
    this.batch.push([dataType, message]);
    if (this.batch.length >= MAX_BATCH) {
      this.flush();
    } else if (!this.timer) {
      this.timer = setTimeout(() => this.flush(), FLUSH_MSEC);
      this.timer.unref();
    }
  }

  // What was gathered is on its way.
  flush() {
    clearTimeout(this.timer);
    this.timer = null;
    this.enqueue();
    if (!this.pumping && this.queue.length > 0) {
      this.pumping = this.pump();
    }
  }

  enqueue() {
    if (this.batch.length === 0) {
      return;
    }
    const counts = {};
    for (const [dataType, message] of this.batch) {
      (counts[dataType] ??= []).push(message);
    }
    this.batch = [];
    this.queue.push(JSON.stringify({ data_type: "batch", ...this.common, counts }));
  }

  async pump() {
    while (this.queue.length > 0) {
      await this.socket.send(this.queue.shift());
    }
    this.pumping = null;
  }

  // Waits while there is much that could not be sent yet.
  async room() {
    while (this.queue.length >= MAX_QUEUE && this.pumping) {
      await this.pumping;
    }
  }

  // Everything has arrived. A socket that is closed lingers until then, but not beyond process.exit();
  // what watches it is told when it is really gone.
  async close() {
    const gone = new Promise((resolve) => this.socket.events.on("end", resolve));
    this.flush();
    while (this.pumping) {
      await this.pumping;
    }
    this.socket.close();
    await gone;
  }

  // The same where nothing can be waited for any more: ZeroMQ's own thread gets some time for it.
  // False: something could not be sent.
  closeNow() {
    this.enqueue();
    try {
      for (const text of this.queue.splice(0)) {
        this.socket.send(text).catch(() => {});
      }
      this.socket.close();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_MSEC);
    } catch {
      return false; // an earlier send still waits for the receiver
    }
    return true;
  }
}

module.exports = { Sender };
