// tests/compat/node/exchange.js - kafkajs in the exchange of records that exchange.test runs; what the commands do
// and how records are written down is in README.md beside this file.
//
//     exchange.js write BOOTSTRAP SENT DIR CODEC:TOPIC...
//     exchange.js read BOOTSTRAP DIR TOPIC...
//     exchange.js seek BOOTSTRAP TOPIC PARTITION OFFSET TIMESTAMP
//
// kafkajs's public consumer is always a member of a group. What is exchanged here is records, so reading goes
// by its cluster and broker objects, which speak its own Fetch and decode with its own code.
const fs = require('fs')
const path = require('path')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')

const PARTITIONS = 2
const CHUNK = 20 // records of one send; several sends are under way
const MAX_BYTES = 8 << 20

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: encoder => lz4.compressFrame(encoder.buffer),
  decompress: octets => lz4.decompressFrame(octets),
})
const zstd = new Promise(resolve => ZstdCodec.run(codec => resolve(new codec.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async octets => Buffer.from((await zstd).decompress(octets)),
})
const types = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

// A null header value makes kafkajs fail before it sends: it gets an empty one (exchange.test knows).
const octets = text => (text === '~' ? null : Buffer.from(text, 'hex'))
const text = value => (value === null ? '~' : value.toString('hex'))

function headersOf(tags) {
  const headers = {}
  for (const tag of tags === '' ? [] : tags.split(',')) {
    const [name, value] = tag.split('=').map(octets)
    const known = headers[name.toString()]
    const sent = value || Buffer.alloc(0)
    headers[name.toString()] = known === undefined ? sent : [].concat(known, [sent])
  }
  return headers
}

function tagsOf(headers) {
  const tags = []
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [].concat(values)) tags.push(`${Buffer.from(name).toString('hex')}=${text(value)}`)
  }
  return tags.join(',')
}

async function write(kafka, lines, dir, codec, topic) {
  const producer =
    codec === 'none' ? kafka.producer() : kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const waiting = Array.from({ length: PARTITIONS }, () => [])
  for (const line of lines) {
    const [partition, , timestamp, key, value, tags] = line.split('\t')
    waiting[partition].push({
      partition: Number(partition),
      timestamp,
      key: octets(key),
      value: octets(value),
      headers: headersOf(tags),
      rest: `${key}\t${value}\t${tags.replace('=~', '=')}`,
    })
  }
  const stored = []
  // A partition's sends wait for each other, since without idempotence kafkajs may send them in any order.
  await Promise.all(
    waiting.map(async (records, partition) => {
      for (let i = 0; i < records.length; i += CHUNK) {
        const messages = records.slice(i, i + CHUNK)
        const [answer] = await producer.send({ topic, messages, compression: types[codec] })
        messages.forEach((m, n) => {
          const offset = Number(answer.baseOffset) + n
          stored.push([partition, offset, `${partition}\t${offset}\t${m.timestamp}\t${m.rest}\n`])
        })
      }
    })
  )
  await producer.disconnect()
  stored.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  fs.writeFileSync(path.join(dir, topic), stored.map(s => s[2]).join(''))
}

async function connectCluster(kafka) {
  const create = Object.getOwnPropertySymbols(kafka).find(s => String(s).includes('createCluster'))
  const cluster = kafka[create]({})
  await cluster.connect()
  return cluster
}

async function take(cluster, topic, partition, offset, end) {
  const leaders = cluster.findLeaderForPartitions(topic, [partition])
  const broker = await cluster.findBroker({ nodeId: Number(Object.keys(leaders)[0]) })
  let lines = ''
  while (offset < end) {
    const answer = await broker.fetch({
      maxWaitTime: 500,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: MAX_BYTES }] }],
    })
    for (const m of answer.responses[0].partitions[0].messages) {
      if (Number(m.offset) < offset || Number(m.offset) >= end) continue // the batch began before
      lines += `${partition}\t${m.offset}\t${m.timestamp}\t${text(m.key)}\t${text(m.value)}\t${tagsOf(m.headers)}\n`
      offset = Number(m.offset) + 1
    }
  }
  return lines
}

async function ends(admin, topic) {
  const all = await admin.fetchTopicOffsets(topic)
  return all.sort((a, b) => a.partition - b.partition).map(p => [Number(p.low), Number(p.high)])
}

async function read(kafka, admin, dir, topics) {
  const cluster = await connectCluster(kafka)
  await cluster.addMultipleTargetTopics(topics)
  for (const topic of topics) {
    let lines = ''
    for (const [partition, [low, high]] of (await ends(admin, topic)).entries())
      lines += await take(cluster, topic, partition, low, high)
    fs.writeFileSync(path.join(dir, topic), lines)
  }
  await cluster.disconnect()
}

async function seek(kafka, admin, topic, partition, offset, timestamp) {
  const cluster = await connectCluster(kafka)
  await cluster.addTargetTopic(topic)
  const [low, high] = (await ends(admin, topic))[partition]
  const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
  const time = found.find(p => p.partition === partition).offset
  process.stdout.write(`begin ${low} end ${high} time ${time}\n`)
  for (const at of [offset, offset - 7]) process.stdout.write(await take(cluster, topic, partition, at, at + 1))
  await cluster.disconnect()
}

async function main([command, bootstrap, ...rest]) {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
  if (command === 'write') {
    const lines = fs.readFileSync(rest[0], 'utf8').replace(/\n$/, '').split('\n')
    for (const pair of rest.slice(2)) await write(kafka, lines, rest[1], ...pair.split(':'))
    return
  }
  const admin = kafka.admin()
  await admin.connect()
  if (command === 'read') await read(kafka, admin, rest[0], rest.slice(1))
  else await seek(kafka, admin, rest[0], ...rest.slice(1).map(Number))
  await admin.disconnect()
}

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
main(process.argv.slice(2)).catch(error => {
  console.error(error)
  process.exit(1)
})
