// Command dtm puts load on a dtm server over its HTTP interface and is the consumer and the producer's check handler at
// the same time. It prints JSON lines: {"event":"measuring"} when the warm-up is over, {"event":"result",…} at the end.
// Then it stays until its standard input ends, so that its use of the machine can still be read; it also leaves when
// that happens earlier, so that it never outlives its starter.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	server := flag.String("server", "", "host:port of the dtm server")
	workload := flag.String("workload", "", "throughput or backlog")
	order := flag.String("order", "", "what to do, as JSON")
	flag.Parse()

	left := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(left)
	}()
	go func() {
		if err := work(*workload, *server, []byte(*order)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	<-left
}

func work(workload, server string, order []byte) error {
	switch workload {
	case "throughput":
		var cell cell
		if err := json.Unmarshal(order, &cell); err != nil {
			return err
		}
		return measureThroughput(server, cell)
	case "backlog":
		var wanted backlogOrder
		if err := json.Unmarshal(order, &wanted); err != nil {
			return err
		}
		return measureBacklog(server, wanted)
	}
	return fmt.Errorf("no workload %q", workload)
}

// report prints one event; fields may be nil.
func report(event string, fields map[string]any) error {
	line := map[string]any{"event": event}
	for name, value := range fields {
		line[name] = value
	}
	return json.NewEncoder(os.Stdout).Encode(line)
}
