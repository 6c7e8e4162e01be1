// franz-go as one member of a consumer group; run by groups.test.
//
//	member BOOTSTRAP GROUP TOPIC
//
// Prints each record's value once it has committed the offset behind it; SIGTERM leaves the group.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumerGroup(os.Args[2]),
		kgo.ConsumeTopics(os.Args[3]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
	)
	if err != nil {
		panic(err)
	}
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		records := fetches.Records()
		if len(records) > 0 && client.CommitRecords(context.Background(), records...) == nil {
			for _, record := range records {
				fmt.Printf("%s\n", record.Value)
			}
		}
		client.AllowRebalance()
	}
	client.Close()
}
