// SPDX-License-Identifier: MPL-2.0
// A runner in JavaScript that knows the protocol (docs/external-runners.md) and the package zeromq, and nothing else
// of Loads:
//
//     plain.js TEST URL
'use strict'

const zmq = require('zeromq')

const { env } = process
const [test, url] = process.argv.slice(2)

async function main () {
  const socket = new zmq.Push({ linger: -1 })
  const send = (dataType, keys) => socket.send(JSON.stringify({
    data_type: dataType, agent_id: env.LOADS_AGENT_ID, run_id: env.LOADS_RUN_ID, ...keys
  }))
  const hits = Number(env.LOADS_TOTAL_HITS)

  socket.connect(env.LOADS_ZMQ_RECEIVER)
  for (let hit = 1; hit <= hits; hit++) {
    const status = { test, loads_status: [hits, Number(env.LOADS_TOTAL_USERS), hit, Number(env.LOADS_CURRENT_USER)] }
    await send('startTest', status)
    const started = new Date()
    const answer = await fetch(url)
    await answer.text()
    await send('add_hit', {
      url, method: 'GET', status: answer.status, started: started.toISOString(), elapsed: (Date.now() - started) / 1000, ...status
    })
    if (answer.ok) {
      await send('addSuccess', status)
    } else {
      await send('addFailure', { exc_info: [`status ${answer.status}`, 'Error', ''], ...status })
    }
    await send('stopTest', status)
  }
  socket.close()
}

main()
