package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/lxzan/gws"
)

// floor is the simplest Go service with a goroutine for each connection: gws, a map, and a search for the name of the
// target. It checks neither that a frame is JSON nor that the sender is who it claims to be.
type floor struct {
	gws.BuiltinEventHandler
	mu     sync.RWMutex
	logins map[string]*gws.Conn
}

// floorSession is the state of a connection. It replaces the storage of gws, which is not used.
type floorSession struct {
	gws.SessionStorage
	login string
}

var (
	loginStart  = []byte(`{"type":"login","login":"`)
	logoutStart = []byte(`{"type":"logout"`)
	toStart     = []byte(`"to":"`)
	accepted    = []byte(`{"type":"login","success":true}`)
	refused     = []byte(`{"type":"login","success":false}`)
)

// OnMessage implements gws.Event.
func (f *floor) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	text := m.Bytes()
	if at := bytes.LastIndex(text, toStart); at >= 0 {
		to := text[at+len(toStart):]
		to = to[:max(0, bytes.IndexByte(to, '"'))]
		f.mu.RLock()
		target := f.logins[string(to)]
		f.mu.RUnlock()
		if target != nil {
			_ = target.WriteMessage(gws.OpcodeText, text)
		}
		return
	}
	if name, ok := bytes.CutPrefix(text, loginStart); ok {
		name = name[:max(0, bytes.IndexByte(name, '"'))]
		_ = c.WriteMessage(gws.OpcodeText, f.login(c, string(name)))
	} else if bytes.HasPrefix(text, logoutStart) {
		f.free(c)
	}
}

func (f *floor) login(c *gws.Conn, login string) (answer []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.logins[login] != nil {
		return refused
	}
	f.logins[login] = c
	c.Session().(*floorSession).login = login
	return accepted
}

func (f *floor) free(c *gws.Conn) {
	s := c.Session().(*floorSession)
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.login != "" {
		delete(f.logins, s.login)
		s.login = ""
	}
}

// OnClose implements gws.Event.
func (f *floor) OnClose(c *gws.Conn, _ error) { f.free(c) }

// OnPing implements gws.Event.
func (f *floor) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

// newFloor returns a floor, to be run with RunListener. The listener of gws is as fast as net/http with Upgrade, and
// takes 1.2 KB less for each connection.
func newFloor() *gws.Server {
	// By default gws does not compress, does not check UTF-8 and does not handle messages in parallel.
	s := gws.NewServer(&floor{logins: make(map[string]*gws.Conn)}, &gws.ServerOption{
		NewSession: func() gws.SessionStorage { return &floorSession{} },
	})
	s.OnError = func(net.Conn, error) {}
	return s
}

// serveFloor serves on a free port, which it prints, until the process ends. With the files of a certificate and its key it
// speaks TLS.
func serveFloor(stdout io.Writer, files []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if len(files) == 2 {
		pair, err := tls.LoadX509KeyPair(files[0], files[1])
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	fmt.Fprintf(stdout, "ready on %s\n", listener.Addr())
	return newFloor().RunListener(listener)
}
