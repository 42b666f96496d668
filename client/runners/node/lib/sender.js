// SPDX-License-Identifier: MPL-2.0
// The way to loads-runner: a PUSH socket, and the queue before it, since one send at a time may be
// under way. Messages of one iteration travel as one batch: within a batch they are counted by their
// type, so that one batch of several iterations would mix them up. A batch leaves when its iteration
// ends, or soon after for what takes longer.
"use strict";

const zmq = require("zeromq");

const FLUSH_MSEC = 100;
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
    this.pumping ??= this.pump().finally(() => {
      this.pumping = null;
    });
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
  }

  // Waits while there is much that could not be sent yet.
  async room() {
    while (this.queue.length >= MAX_QUEUE && this.pumping) {
      await this.pumping;
    }
  }

  // Everything is sent, and the socket closed; it lingers until all has arrived.
  async close() {
    this.flush();
    while (this.pumping) {
      await this.pumping;
    }
    this.socket.close();
  }

  // The same where nothing can be waited for any more. False: something could not be sent.
  closeNow() {
    this.enqueue();
    try {
      for (const text of this.queue.splice(0)) {
        this.socket.send(text).catch(() => {});
      }
      this.socket.close();
    } catch {
      return false; // an earlier send still waits for the receiver
    }
    return true;
  }
}

module.exports = { Sender };
