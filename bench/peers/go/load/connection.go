package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	ring        = 1 << 16 // streams that may be open at once on a connection
	largeWindow = 1 << 30
)

// A question is one request: the header fields that only it has, and what follows them.
type question struct {
	fields []hpack.HeaderField
	body   []byte
}

type stream struct {
	due    time.Time // when it was to be sent: latency counts from here, however late it left
	answer []byte
	status string
	fails  bool
}

// A connection speaks HTTP/2 without TLS. It knows of frames only what a client of gRPC or of Envoy needs.
type connection struct {
	socket  net.Conn
	framer  *http2.Framer
	out     *bufio.Writer
	in      *bufio.Reader
	decoder *hpack.Decoder
	done    func(*connection, stream, time.Time)
	again   func() (*connection, error) // another connection like this one
	broken  chan<- error

	lock    sync.Mutex // of everything below, and of writing
	encoder *hpack.Encoder
	block   bytes.Buffer
	common  []hpack.HeaderField
	steady  []byte // the block of a request without fields of its own, once every field of it is in the table
	sent    int
	nextID  uint32
	window  int64 // bytes that the server still takes on this connection
	room    *sync.Cond
	streams [ring]stream
	grpc    bool
	current uint32
	eaten   uint32
	open    int         // streams that are not answered
	heir    *connection // asked in its place, since the server has said goodbye
}

func dial(address string, common []hpack.HeaderField, grpc bool, done func(*connection, stream, time.Time)) (*connection, error) {
	network := "tcp"
	place, unix := strings.CutPrefix(address, "unix:")
	if unix {
		network = "unix"
	}
	socket, err := net.Dial(network, place)
	if err != nil {
		return nil, err
	}
	made := &connection{
		socket: socket, out: bufio.NewWriterSize(socket, 1<<16), in: bufio.NewReaderSize(socket, 1<<16),
		common: common, nextID: 1, window: 65535, grpc: grpc, done: done,
	}
	made.again = func() (*connection, error) { return dial(address, common, grpc, done) }
	made.room = sync.NewCond(&made.lock)
	made.framer = http2.NewFramer(made.out, made.in)
	made.framer.SetReuseFrames()
	made.encoder = hpack.NewEncoder(&made.block)
	made.decoder = hpack.NewDecoder(4096, made.field)
	if _, err := made.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	_ = made.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20},
	)
	_ = made.framer.WriteWindowUpdate(0, largeWindow)
	return made, made.out.Flush()
}

// ask sends one request; with flush, at once. Waits while the server takes no more bytes, unless `patient` is false:
// then it says false, and nothing was sent. Only the reading goroutine, which opens the window, may not wait.
func (c *connection) ask(asked question, due time.Time, flush, patient bool) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.heir != nil {
		return c.heir.ask(asked, due, true, patient)
	}
	for c.window < int64(len(asked.body)) {
		_ = c.out.Flush()
		if !patient {
			return false
		}
		c.room.Wait()
		if c.heir != nil {
			return c.heir.ask(asked, due, true, patient)
		}
	}
	id := c.nextID
	c.nextID += 2
	c.streams[id/2%ring] = stream{due: due}
	c.open++
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.headers(asked), EndHeaders: true, EndStream: len(asked.body) == 0,
	})
	if len(asked.body) > 0 {
		c.window -= int64(len(asked.body))
		c.data(id, asked.body)
	}
	if flush {
		_ = c.out.Flush()
	}
	return true
}

const frame = 16384 // the largest that every server takes

func (c *connection) data(id uint32, body []byte) {
	for len(body) > frame {
		_ = c.framer.WriteData(id, false, body[:frame])
		body = body[frame:]
	}
	_ = c.framer.WriteData(id, true, body)
}

func (c *connection) headers(asked question) []byte {
	if len(asked.fields) == 0 && c.steady != nil {
		return c.steady
	}
	c.block.Reset()
	for _, field := range c.common {
		_ = c.encoder.WriteField(field)
	}
	for _, field := range asked.fields {
		_ = c.encoder.WriteField(field)
	}
	c.sent++
	if len(asked.fields) == 0 && c.sent > 1 {
		c.steady = bytes.Clone(c.block.Bytes())
	}
	return c.block.Bytes()
}

func (c *connection) flush() {
	c.lock.Lock()
	_ = c.out.Flush()
	c.lock.Unlock()
}

func (c *connection) field(field hpack.HeaderField) {
	found := &c.streams[c.current/2%ring]
	switch field.Name {
	case ":status":
		found.status = field.Value
		found.fails = c.grpc && field.Value != "200"
	case "grpc-status":
		found.fails = field.Value != "0"
	}
}

// read handles what the server says until the connection ends, or the last answer is there after its goodbye.
func (c *connection) read() error {
	for {
		if c.left() {
			return c.socket.Close()
		}
		if c.in.Buffered() == 0 {
			c.flush()
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.heard(frame); err != nil {
			return err
		}
	}
}

func (c *connection) heard(frame http2.Frame) error {
	c.current = frame.Header().StreamID
	ended := frame.Header().Flags.Has(http2.FlagDataEndStream)
	switch frame := frame.(type) {
	case *http2.HeadersFrame:
		if !frame.HeadersEnded() {
			return fmt.Errorf("a header block of several frames")
		}
		if _, err := c.decoder.Write(frame.HeaderBlockFragment()); err != nil {
			return err
		}
		c.over(ended)
	case *http2.DataFrame:
		found := &c.streams[c.current/2%ring]
		found.answer = append(found.answer, frame.Data()...)
		if c.eaten += frame.Length; c.eaten > largeWindow/2 {
			c.lock.Lock()
			_ = c.framer.WriteWindowUpdate(0, c.eaten)
			c.lock.Unlock()
			c.eaten = 0
		}
		c.over(ended)
	case *http2.RSTStreamFrame:
		c.streams[c.current/2%ring].fails = true
		c.over(true)
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			c.lock.Lock()
			c.window += int64(frame.Increment)
			c.room.Broadcast()
			c.lock.Unlock()
		}
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			c.lock.Lock()
			_ = c.framer.WriteSettingsAck()
			c.lock.Unlock()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			c.lock.Lock()
			_ = c.framer.WritePing(true, frame.Data)
			c.lock.Unlock()
		}
	case *http2.GoAwayFrame:
		if frame.ErrCode != http2.ErrCodeNo {
			return fmt.Errorf("the server says goodbye: %v", frame.ErrCode)
		}
		return c.leave()
	}
	return nil
}

// leave has what is still to be asked go to another connection.
func (c *connection) leave() error {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.heir != nil {
		return nil
	}
	heir, err := c.again()
	if err != nil {
		return err
	}
	heir.broken = c.broken
	c.heir = heir
	c.room.Broadcast()
	go heir.follow()
	return nil
}

func (c *connection) follow() {
	if err := c.read(); err != nil {
		c.broken <- err
	}
}

func (c *connection) left() bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.heir != nil && c.open == 0
}

func (c *connection) over(ended bool) {
	if !ended {
		return
	}
	slot := &c.streams[c.current/2%ring]
	if slot.due.IsZero() {
		return // a reset of what has been answered: a server may send both
	}
	found := *slot
	*slot = stream{}
	c.lock.Lock()
	c.open--
	c.lock.Unlock()
	c.done(c, found, time.Now())
}
