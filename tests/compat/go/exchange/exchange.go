// Package exchange is what the Go clients share in the exchange of records that tests/compat/exchange.test
// runs: the commands, and how records are written down (tests/compat/README.md).
//
//	CLIENT write BOOTSTRAP SENT DIR CODEC:TOPIC...
//	CLIENT read BOOTSTRAP DIR TOPIC...
//	CLIENT seek BOOTSTRAP TOPIC PARTITION OFFSET TIMESTAMP
package exchange

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	Partitions = 2
	Wait       = 20 * time.Second
)

type Header struct {
	Name  string
	Value []byte
}

// Record is what goes in and comes back. Of what is to be sent the offset is the expected one.
type Record struct {
	Partition  int32
	Offset     int64
	Timestamp  int64  // ms
	Key, Value []byte // nil: null
	Headers    []Header
}

// Client is one of the libraries. What goes wrong ends the program by Check.
type Client interface {
	// Write sends all in order, several under way, and sets their partitions, offsets and timestamps to
	// what was acknowledged. Codec "none" means the library's default producer, unchanged.
	Write(topic, codec string, records []Record)
	// Ends tells the first offset and the one after the last.
	Ends(topic string, partition int32) (begin, end int64)
	// Read hands over the records from offset up to end.
	Read(topic string, partition int32, offset, end int64, each func(Record))
	// OffsetFor finds the first record that is not older than the timestamp.
	OffsetFor(topic string, partition int32, timestamp int64) int64
}

func Check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func octets(text string) []byte {
	if text == "~" {
		return nil
	}
	value, err := hex.DecodeString(text)
	Check(text, err)
	return value
}

func text(value []byte) string {
	if value == nil {
		return "~"
	}
	return hex.EncodeToString(value)
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	Check(text, err)
	return value
}

func parse(path string) []Record {
	all, err := os.ReadFile(path)
	Check(path, err)
	var records []Record
	for _, line := range strings.Split(strings.TrimSuffix(string(all), "\n"), "\n") {
		f := strings.Split(line, "\t")
		r := Record{Partition: int32(number(f[0])), Timestamp: number(f[2]), Key: octets(f[3]), Value: octets(f[4])}
		for _, tag := range strings.Split(f[5], ",") {
			if name, value, found := strings.Cut(tag, "="); found {
				r.Headers = append(r.Headers, Header{string(octets(name)), octets(value)})
			}
		}
		records = append(records, r)
	}
	return records
}

func (r Record) print(out *bufio.Writer) {
	var tags []string
	for _, h := range r.Headers {
		tags = append(tags, hex.EncodeToString([]byte(h.Name))+"="+text(h.Value))
	}
	fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t%s\n", r.Partition, r.Offset, r.Timestamp, text(r.Key), text(r.Value),
		strings.Join(tags, ","))
}

func file(dir, name string, fill func(out *bufio.Writer)) {
	f, err := os.Create(filepath.Join(dir, name))
	Check(name, err)
	out := bufio.NewWriter(f)
	fill(out)
	Check(name, out.Flush())
	Check(name, f.Close())
}

func write(client Client, sent, dir, codec, topic string) {
	records := parse(sent)
	client.Write(topic, codec, records)
	sort.Slice(records, func(i, j int) bool {
		a, b := records[i], records[j]
		return a.Partition < b.Partition || a.Partition == b.Partition && a.Offset < b.Offset
	})
	file(dir, topic, func(out *bufio.Writer) {
		for _, r := range records {
			r.print(out)
		}
	})
}

func read(client Client, dir, topic string) {
	file(dir, topic, func(out *bufio.Writer) {
		for p := int32(0); p < Partitions; p++ {
			begin, end := client.Ends(topic, p)
			if begin < end {
				client.Read(topic, p, begin, end, func(r Record) { r.print(out) })
			}
		}
	})
}

func seek(client Client, topic string, partition int32, offset, timestamp int64) {
	begin, end := client.Ends(topic, partition)
	fmt.Printf("begin %d end %d time %d\n", begin, end, client.OffsetFor(topic, partition, timestamp))
	out := bufio.NewWriter(os.Stdout)
	for _, at := range []int64{offset, offset - 7} {
		client.Read(topic, partition, at, at+1, func(r Record) { r.print(out) })
	}
	Check("standard output", out.Flush())
}

// Main runs a program with the client that connect makes.
func Main(connect func(bootstrap string) Client) {
	command, client, rest := os.Args[1], connect(os.Args[2]), os.Args[3:]
	switch command {
	case "write":
		for _, pair := range rest[2:] {
			codec, topic, _ := strings.Cut(pair, ":")
			write(client, rest[0], rest[1], codec, topic)
		}
	case "read":
		for _, topic := range rest[1:] {
			read(client, rest[0], topic)
		}
	case "seek":
		seek(client, rest[0], int32(number(rest[1])), number(rest[2]), number(rest[3]))
	default:
		Check(command, fmt.Errorf("no such command"))
	}
}
