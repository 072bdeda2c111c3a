package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	branchPath  = "/branch"
	checkPath   = "/check"
	hangingPath = "/hanging-check"
)

// call is one request of the dtm server, at the moment its head had arrived.
type call struct {
	path string
	id   string
	at   time.Time
}

// listen answers branches and checks at once with success, and hanging checks never. It returns the address to give to
// the server, beginning with http.
func listen(received func(call)) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(connection, received)
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

const result = `{"dtm_result":"SUCCESS"}`

var answer = []byte(fmt.Sprintf(
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(result), result))

func serve(connection net.Conn, received func(call)) {
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, 16<<10)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		at := time.Now()
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		received(call{request.URL.Path, queried(request.URL.RawQuery, "gid"), at})
		if request.URL.Path == hangingPath {
			// Until the server gives up and closes.
			io.Copy(io.Discard, reader)
			return
		}
		if _, err := connection.Write(answer); err != nil {
			return
		}
	}
}

func queried(query, name string) string {
	for _, pair := range strings.Split(query, "&") {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}
