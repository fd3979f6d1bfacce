package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/selfsigned"
)

// Certified returns a TLS configuration for a service, with a certificate that it has signed itself.
var Certified = sync.OnceValue(func() *tls.Config {
	certificate, err := selfsigned.New(x509.Certificate{NotAfter: time.Now().AddDate(1, 0, 0), DNSNames: []string{"service.test"}})
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
})

// recordedTLS is the client's side of a TLS connection after the handshake. It encrypts a stream, and decrypts what the service
// has written.
type recordedTLS struct {
	tls  *tls.Conn
	wire *recordedConn
}

// recordedConn is the connection beneath a recordedTLS. After the handshake it keeps what is written, and returns from Read what
// came during the handshake and then the service's records.
type recordedConn struct {
	net.Conn
	over    bool
	written []byte
	arrived []byte
}

func (c *recordedConn) Read(p []byte) (int, error) {
	if !c.over {
		return c.Conn.Read(p)
	}
	if len(c.arrived) == 0 {
		return 0, errTruncated
	}
	n := copy(p, c.arrived)
	c.arrived = c.arrived[n:]
	return n, nil
}

func (c *recordedConn) Write(p []byte) (int, error) {
	if !c.over {
		return c.Conn.Write(p)
	}
	c.written = append(c.written, p...)
	return len(p), nil
}

var errTruncated = errors.New("the records end without close_notify")

// shakeHands returns both sides of a TLS connection after the handshake.
func shakeHands() (*recordedTLS, *secured, error) {
	near, far := memnet.Pipe(64 << 10)
	layer := newSecured(near, configForTLS(Options{TLS: Certified()}))
	wire := &recordedConn{Conn: far}
	client := tls.Client(wire, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}})
	served := make(chan error, 1)
	go func() { served <- layer.tls.Handshake() }()
	err := errors.Join(client.Handshake(), <-served)
	if err != nil {
		return nil, nil, fmt.Errorf("the handshake: %w", err)
	}
	_ = near.CloseWrite()
	if wire.arrived, err = io.ReadAll(far); err != nil { // the session ticket
		return nil, nil, err
	}
	wire.over = true
	return &recordedTLS{client, wire}, layer, nil
}

// encrypt returns the records of a stream. The sizes of the pieces are those of the data in the records. If the size of the
// stream is even, the last record ends the client's direction.
func (r *recordedTLS) encrypt(stream, pieces []byte) []byte {
	even := len(stream)%2 == 0
	for records := (sizes{list: pieces}); len(stream) > 0; {
		n := records.size(len(stream))
		_, _ = r.tls.Write(stream[:n])
		stream = stream[n:]
	}
	if even {
		_ = r.tls.CloseWrite()
	}
	return bytes.Clone(r.wire.written)
}

// decrypt returns the data of the service's records. They must end with close_notify.
func (r *recordedTLS) decrypt(records []byte) ([]byte, error) {
	r.wire.arrived = append(r.wire.arrived, records...)
	return io.ReadAll(r.tls)
}
