// sarama in the exchange of records; see package exchange.
package main

import (
	"errors"
	"time"

	"klamm/compat/exchange"

	"github.com/IBM/sarama"
)

type client struct {
	bootstrap []string
	sarama.Client
}

var codecs = map[string]sarama.CompressionCodec{
	"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func octets(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

func (c *client) Write(topic, codec string, records []exchange.Record) {
	config := sarama.NewConfig() // neither idempotent nor of a new protocol by default
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	if codec != "none" {
		config.Version = sarama.MaxVersion
		config.Producer.Compression = codecs[codec]
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Flush.MaxMessages = 20
		config.Net.MaxOpenRequests = 1 // sarama asks for this
	}
	producer, err := sarama.NewAsyncProducer(c.bootstrap, config)
	exchange.Check("producer", err)
	go func() {
		for i := range records {
			r := &records[i]
			m := &sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Key: octets(r.Key),
				Value: octets(r.Value), Timestamp: time.UnixMilli(r.Timestamp), Metadata: r}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
			}
			producer.Input() <- m
		}
	}()
	for range records {
		select {
		case m := <-producer.Successes():
			r := m.Metadata.(*exchange.Record)
			r.Partition, r.Offset, r.Timestamp = m.Partition, m.Offset, m.Timestamp.UnixMilli()
		case failure := <-producer.Errors():
			exchange.Check("produce", failure)
		case <-time.After(exchange.Wait):
			exchange.Check("produce", errors.New("no answer in time"))
		}
	}
	exchange.Check("close", producer.Close())
}

func (c *client) Ends(topic string, partition int32) (int64, int64) {
	begin, err := c.GetOffset(topic, partition, sarama.OffsetOldest)
	exchange.Check("first offset", err)
	end, err := c.GetOffset(topic, partition, sarama.OffsetNewest)
	exchange.Check("end offset", err)
	return begin, end
}

func (c *client) OffsetFor(topic string, partition int32, timestamp int64) int64 {
	offset, err := c.GetOffset(topic, partition, timestamp)
	exchange.Check("offset by time", err)
	return offset
}

func (c *client) Read(topic string, partition int32, offset, end int64, each func(exchange.Record)) {
	consumer, err := sarama.NewConsumerFromClient(c.Client)
	exchange.Check("consumer", err)
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	exchange.Check("consume", err)
	for offset < end {
		select {
		case m := <-reader.Messages():
			r := exchange.Record{Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp.UnixMilli(),
				Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, exchange.Header{Name: string(h.Key), Value: h.Value})
			}
			each(r)
			offset = m.Offset + 1
		case <-time.After(exchange.Wait):
			exchange.Check("consume", errors.New("nothing came in time"))
		}
	}
	exchange.Check("close", reader.Close())
	exchange.Check("close", consumer.Close())
}

func main() {
	exchange.Main(func(bootstrap string) exchange.Client {
		config := sarama.NewConfig()
		config.Consumer.MaxWaitTime = 20 * time.Millisecond
		c, err := sarama.NewClient([]string{bootstrap}, config)
		exchange.Check("connect", err)
		return &client{[]string{bootstrap}, c}
	})
}
