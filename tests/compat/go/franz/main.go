// franz-go in the exchange of records; see package exchange.
package main

import (
	"context"
	"sync"
	"time"

	"klamm/compat/exchange"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	bootstrap string
	admin     *kadm.Client
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	exchange.Check("connect", err)
	return client
}

var codecs = map[string]kgo.CompressionCodec{
	"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (f *franz) Write(topic, codec string, records []exchange.Record) {
	// An idempotent producer by default, which compresses by snappy.
	options := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if codec != "none" {
		options = append(options, kgo.ProducerBatchCompression(codecs[codec]), kgo.MaxBufferedRecords(50))
	}
	client := connect(f.bootstrap, options...)
	var answers sync.WaitGroup
	for i := range records {
		r := &records[i]
		k := &kgo.Record{Topic: topic, Partition: r.Partition, Timestamp: time.UnixMilli(r.Timestamp), Key: r.Key,
			Value: r.Value}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		answers.Add(1)
		client.Produce(context.Background(), k, func(k *kgo.Record, err error) {
			exchange.Check("produce", err)
			r.Partition, r.Offset, r.Timestamp = k.Partition, k.Offset, k.Timestamp.UnixMilli()
			answers.Done()
		})
	}
	answers.Wait()
	client.Close()
}

func (f *franz) Ends(topic string, partition int32) (int64, int64) {
	starts, err := f.admin.ListStartOffsets(context.Background(), topic)
	exchange.Check("start offsets", err)
	ends, err := f.admin.ListEndOffsets(context.Background(), topic)
	exchange.Check("end offsets", err)
	start, _ := starts.Lookup(topic, partition)
	exchange.Check("start offset", start.Err)
	end, _ := ends.Lookup(topic, partition)
	exchange.Check("end offset", end.Err)
	return start.Offset, end.Offset
}

func (f *franz) OffsetFor(topic string, partition int32, timestamp int64) int64 {
	found, err := f.admin.ListOffsetsAfterMilli(context.Background(), timestamp, topic)
	exchange.Check("offsets by time", err)
	offset, _ := found.Lookup(topic, partition)
	exchange.Check("offset by time", offset.Err)
	return offset.Offset
}

func (f *franz) Read(topic string, partition int32, offset, end int64, each func(exchange.Record)) {
	client := connect(f.bootstrap, kgo.FetchMaxWait(20*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {partition: kgo.NewOffset().At(offset)}}))
	defer client.Close()
	until, cancel := context.WithTimeout(context.Background(), exchange.Wait)
	defer cancel()
	for offset < end {
		fetches := client.PollFetches(until)
		exchange.Check("fetch", fetches.Err())
		fetches.EachRecord(func(k *kgo.Record) {
			if k.Offset >= end {
				return
			}
			r := exchange.Record{Partition: k.Partition, Offset: k.Offset, Timestamp: k.Timestamp.UnixMilli(),
				Key: k.Key, Value: k.Value}
			for _, h := range k.Headers {
				r.Headers = append(r.Headers, exchange.Header{Name: h.Key, Value: h.Value})
			}
			each(r)
			offset = k.Offset + 1
		})
	}
}

func main() {
	exchange.Main(func(bootstrap string) exchange.Client {
		return &franz{bootstrap, kadm.NewClient(connect(bootstrap))}
	})
}
