package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const callWithin = 60 * time.Second

// client is one kept connection. It writes its requests itself: the machine is shared with the server under load, and
// the client of the standard library costs several times as much.
type client struct {
	server     string
	connection net.Conn
	reader     *bufio.Reader
	request    []byte
}

// post returns an error unless the server answers with a status of the 200s. It repeats nothing.
func (c *client) post(path, body string) error {
	if c.connection == nil {
		connection, err := net.Dial("tcp", c.server)
		if err != nil {
			return err
		}
		c.connection, c.reader = connection, bufio.NewReaderSize(connection, 16<<10)
	}
	err := c.exchange(path, body)
	if err != nil {
		c.close()
	}
	return err
}

func (c *client) exchange(path, body string) error {
	c.request = append(c.request[:0], "POST "...)
	c.request = append(c.request, path...)
	c.request = append(c.request, " HTTP/1.1\r\nHost: dtm\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(c.request, "\r\n\r\n"...)
	c.request = append(c.request, body...)
	c.connection.SetDeadline(time.Now().Add(callWithin))
	if _, err := c.connection.Write(c.request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %d %.200s", path, response.StatusCode, answer)
	}
	return nil
}

func (c *client) close() {
	if c.connection != nil {
		c.connection.Close()
		c.connection = nil
	}
}

// A payload is a JSON document of so many bytes (8 at least), as a string within JSON.
func quotedPayload(bytes int) string {
	quoted, _ := json.Marshal(`{"d":"` + strings.Repeat("x", max(0, bytes-8)) + `"}`)
	return string(quoted)
}

// messageBody is what prepare and submit both send, as dtm's own client does: a message with one branch. Options is
// empty or further members with a comma before them.
func messageBody(id, payload, branch, check, options string) string {
	return `{"gid":"` + id + `","trans_type":"msg","steps":[{"action":"` + branch + `"}],"payloads":[` + payload +
		`],"query_prepared":"` + check + `"` + options + `}`
}

const (
	preparePath = "/api/dtmsvr/prepare"
	submitPath  = "/api/dtmsvr/submit"
)

// Several loads may meet the same store one after the other.
var started = time.Now().UnixMilli()

// identifier has a fixed width: on boltdb dtm loses messages whose id begins with the whole id of another one.
func identifier(round string, number int64) string {
	return fmt.Sprintf("%s-%d-%09d", round, started, number)
}
