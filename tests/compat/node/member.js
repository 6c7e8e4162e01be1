// tests/compat/node/member.js - kafkajs as one member of a consumer group; run by groups.test.
//
//     member.js BOOTSTRAP GROUP TOPIC
//
// Prints each record's value once it has committed the offset behind it; SIGTERM leaves the group.
const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, groupId, topic] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
const consumer = kafka.consumer({
  groupId,
  sessionTimeout: 6000,
  heartbeatInterval: 500,
  rebalanceTimeout: 6000,
  maxWaitTimeInMs: 200,
})

async function main() {
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, isStale }) => {
      if (isStale()) return
      const offset = (BigInt(batch.lastOffset()) + 1n).toString()
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset }])
      process.stdout.write(batch.messages.map(m => `${m.value}\n`).join(''))
    },
  })
}
process.on('SIGTERM', () => consumer.disconnect().then(() => process.exit(0)))
main().catch(error => {
  console.error(error)
  process.exit(1)
})
