package transport

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/rawws"
)

// sealer encrypts records of TLS 1.3 with TLS_AES_128_GCM_SHA256, as a client does. So a test can send what a tls.Conn would
// not.
type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newSealer returns a sealer that goes on where a connection with this key log is, after seq records.
func newSealer(t *testing.T, keyLog string, seq uint64) *sealer {
	t.Helper()
	for line := range strings.Lines(keyLog) {
		if fields := strings.Fields(line); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(fields[2])
			if err != nil {
				t.Fatal(err)
			}
			s := new(sealer)
			s.use(secret)
			s.seq = seq
			return s
		}
	}
	t.Fatal("the key log has no secret")
	return nil
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1).
func expand(secret []byte, label string, size int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len("tls13 "+label)))
	info = append(info, "tls13 "+label+"\x00"...)
	out, err := hkdf.Expand(sha256.New, secret, string(info), size)
	if err != nil {
		panic(err)
	}
	return out
}

func (s *sealer) use(secret []byte) {
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
	s.secret, s.iv, s.seq = secret, expand(secret, "iv", 12), 0
}

// record returns a record with content of a type.
func (s *sealer) record(kind byte, content ...byte) []byte {
	nonce := bytes.Clone(s.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(s.seq >> (56 - 8*i))
	}
	s.seq++
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(content)+1+16))
	return s.aead.Seal(header, nonce, append(bytes.Clone(content), kind), header)
}

// keyUpdate returns a record that updates the key, and asks the other side to do so too.
func (s *sealer) keyUpdate() []byte {
	r := s.record(22, 24, 0, 0, 1, 1)
	s.use(expand(s.secret, "traffic upd", 32))
	return r
}

func (s *sealer) data(b []byte) []byte { return s.record(23, b...) }

const (
	pingText = `{"type":"ping","id":1}`
	pongText = `{"type":"pong","id":1}`
)

// sealed returns a server, a connection over TLS to it, the socket beneath, and a sealer for what the client sends from now on.
func sealed(t *testing.T) (*Server, *rawws.Conn, *net.TCPConn, *sealer) {
	t.Helper()
	o := DefaultOptions()
	o.TLS, o.Rate = Certified(), 0
	o.Logger = new(lockedBuffer).logger()
	system := actors.NewSystem(actors.Options{Logger: o.Logger})
	s, err := New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(takeLittle)
	go s.Serve(l)
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		_ = system.Stop(t.Context())
	})
	socket, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(20 * time.Second))
	var keyLog strings.Builder
	client := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keyLog})
	c, err := rawws.Open(client, rawws.Request("/ws", "service.test"))
	if err != nil {
		t.Fatal(err)
	}
	if suite := client.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the suite is %s", tls.CipherSuiteName(suite))
	}
	return s, c, socket.(*net.TCPConn), newSealer(t, keyLog.String(), 1) // the request was one record
}

func send(t *testing.T, socket net.Conn, records ...[]byte) {
	t.Helper()
	if _, err := socket.Write(bytes.Join(records, nil)); err != nil {
		t.Fatal(err)
	}
}

func wantPong(t *testing.T, c *rawws.Conn) {
	t.Helper()
	if text, err := c.ReadText(); text != pongText || err != nil {
		t.Fatalf("received %q, %v; want a pong", text, err)
	}
}

func TestKeysAreUpdatedWhileTheConnectionGoesOn(t *testing.T) {
	_, c, socket, client := sealed(t)
	for range 100 {
		send(t, socket, client.keyUpdate(), client.data(rawws.Message(pingText)))
		wantPong(t, c)
	}
	// The update may arrive in pieces, and so may its message.
	for range 3 {
		update := client.keyUpdate()
		send(t, socket, update[:7])
		send(t, socket, update[7:])
		send(t, socket, client.data(rawws.Message(pingText)))
		wantPong(t, c)
	}
}

func TestRecordsWithoutDataAreBounded(t *testing.T) {
	for name, record := range map[string]func(*sealer) []byte{
		"key updates":    (*sealer).keyUpdate,
		"empty records":  func(s *sealer) []byte { return s.data(nil) },
		"padded records": func(s *sealer) []byte { return s.record(0, append([]byte{23}, make([]byte, 15_000)...)...) },
		"half a message": func(s *sealer) []byte {
			return s.record(22, append([]byte{4, 0, 0xFF, 0xFF}, make([]byte, 15_000)...)...)
		},
		"a renegotiation":     func(s *sealer) []byte { return s.record(22, 1, 0, 0, 2, 3, 3) },
		"another hello":       func(s *sealer) []byte { return s.record(22, 0, 0, 0, 0) },
		"an unknown record":   func(s *sealer) []byte { return s.record(99, 1) },
		"a broken record":     func(s *sealer) []byte { r := s.data([]byte("x")); r[len(r)-1] ^= 1; return r },
		"a record of old TLS": func(*sealer) []byte { return []byte{23, 3, 1, 0, 1, 0} },
		"a record too long":   func(*sealer) []byte { return []byte{23, 3, 3, 0xFF, 0xFF} },
	} {
		t.Run(name, func(t *testing.T) {
			_, c, socket, client := sealed(t)
			send(t, socket, client.data(rawws.Message(pingText)))
			wantPong(t, c)
			go func() {
				for range 100 {
					if _, err := socket.Write(record(client)); err != nil {
						return
					}
				}
			}()
			if _, err := c.ReadFrame(); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
}

// The client takes no answer to its key updates, and sends a ping after each, so that the records are not without data.
func TestAnswersToKeyUpdatesThatNobodyReadsAreBounded(t *testing.T) {
	_, _, socket, client := sealed(t)
	_ = socket.SetReadBuffer(4 << 10)
	pong := rawws.Frame{Opcode: rawws.Pong}.Append(nil)
	for i := 0; ; i++ {
		var records []byte
		for range 50 {
			records = append(append(records, client.keyUpdate()...), client.data(pong)...)
		}
		if _, err := socket.Write(records); err != nil {
			break
		}
		if i > 10_000 {
			t.Fatal("the client may cause answers without end")
		}
	}
}

func TestAQuietConnectionKeepsNoLargeBuffers(t *testing.T) {
	if !findTLSBuffers().found {
		t.Fatal("this version of Go has the buffers of a tls.Conn somewhere else: see tlsbuffers.go")
	}
	s, c, socket, client := sealed(t)
	buffers := func() (kept []int) {
		s.connections.each(func(c *conn) {
			layer := c.carrier.(*looped).socket.(*secured)
			looked := make(chan struct{})
			layer.Post(task(func() {
				for _, at := range []uintptr{s.tlsBuffers.rawInput, s.tlsBuffers.hand} {
					kept = append(kept, bufferAt(layer.tls, at).Cap())
				}
				close(looked)
			}))
			<-looked
		})
		return kept
	}
	want := func(when string, most int) {
		t.Helper()
		for _, size := range buffers() {
			if size > most {
				t.Errorf("%s a buffer of %d bytes is kept, want at most %d", when, size, most)
			}
		}
	}
	want("after the handshake", keepTLSBuffer)
	long := rawws.Message(`{"type":"ping","id":1` + strings.Repeat(" ", 15_000) + "}")
	for range 3 {
		send(t, socket, client.data(long))
		wantPong(t, c)
		send(t, socket, client.data(rawws.Frame{Opcode: rawws.Pong}.Append(nil)), client.data(rawws.Message(pingText)))
		wantPong(t, c)
	}
	send(t, socket, client.data(rawws.Message(pingText)))
	wantPong(t, c)
	want("after a long message and a quiet moment", keepTLSBuffer)
}

// countingSocket is a socket that counts its writes.
type countingSocket struct {
	descriptor
	writes [][]byte
}

func (s *countingSocket) Write(b []byte, _ bool) (int, error) {
	s.writes = append(s.writes, bytes.Clone(b))
	return len(b), nil
}

func (s *countingSocket) CloseWrite() error { return nil }

func TestWhatIsQueuedLeavesInOneWrite(t *testing.T) {
	client, layer, err := shakeHands()
	if err != nil {
		t.Fatal(err)
	}
	socket := new(countingSocket)
	c := new(looped)
	c.server = new(Server)
	c.socket = layer.between(c, socket)
	frames := bytes.Repeat([]byte("frame "), 5000)
	if n, err := layer.Write(frames, true); n != len(frames) || err != nil || len(socket.writes) != 1 {
		t.Errorf("%d bytes were written in %d writes, %v; want %d in one", n, len(socket.writes), err, len(frames))
	}
	if err := layer.CloseWrite(); err != nil || len(socket.writes) != 1 {
		t.Errorf("close_notify took a write of its own, %v", err)
	}
	got, err := client.decrypt(bytes.Join(socket.writes, nil))
	if !bytes.Equal(got, frames) || err != nil {
		t.Errorf("the client received %d bytes, %v", len(got), err)
	}
}

// What the handshake has not read belongs to the layer afterwards. Bytes that arrive on the loop come behind it.
func TestBytesThatCameWithTheHandshakeAreDecryptedFirst(t *testing.T) {
	client, layer, err := shakeHands()
	if err != nil {
		t.Fatal(err)
	}
	records := client.encrypt(bytes.Join([][]byte{rawws.Message(pingText), rawws.Message("{}")}, nil), nil)
	first := bytes.Clone(records[:20])
	layer.in = first
	layer.own()
	clear(first)
	w := newWitness()
	c := new(looped)
	sessions := make(chan session, 1)
	sessions <- w
	s, err := newServer(connectTo(sessions), actors.DefaultQueueLimit, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	s.connections.enter(unknown)
	m := &inPieces{stream: records[20:]}
	m.changed.L = &m.mu
	c.socket = layer.between(c, m)
	s.openLooped(c, unknown, entry{key: sampleKey}, nil)
	m.run(layer)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers, err := client.decrypt(m.written)
	if _, frames, _ := bytes.Cut(answers, []byte("\r\n\r\n")); len(frames) == 0 || err != nil {
		t.Errorf("the service answered %q, %v", answers, err)
	}
}

// A socket that takes a part of what waits, again and again, leaves no more behind than what it has not taken.
func TestWhatWasSentOfRecordsIsNotKept(t *testing.T) {
	_, layer, err := shakeHands()
	if err != nil {
		t.Fatal(err)
	}
	c := new(looped)
	c.server = new(Server)
	c.socket = layer.between(c, new(slowSocket))
	answer := bytes.Repeat([]byte("a"), slowSocketTakes)
	for i := range 10_000 {
		if _, err := (*wire)(layer).Write(answer); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue // From now on one answer waits.
		}
		if n, err := layer.send(); n != len(answer) || err != epoll.ErrFull {
			t.Fatalf("%d bytes were sent, %v; want %d, and that there is no more room", n, err, len(answer))
		}
		if waiting := len(layer.out.bytes) - layer.sent; waiting != len(answer) || cap(layer.out.bytes) > 64<<10 {
			t.Fatalf("%d bytes wait, in a buffer of %d; want %d in a small one", waiting, cap(layer.out.bytes), len(answer))
		}
	}
}

const slowSocketTakes = 1000

// slowSocket is a socket that takes so many bytes at a time.
type slowSocket struct{ descriptor }

func (*slowSocket) Write(b []byte, _ bool) (int, error) {
	return min(len(b), slowSocketTakes), epoll.ErrFull
}
