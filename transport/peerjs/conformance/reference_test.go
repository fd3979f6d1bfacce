package conformance

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestPeerJSServerPasses shows that the table is right.
func TestPeerJSServerPasses(t *testing.T) {
	if os.Getenv("P2P_TEST_LONG") == "" { // .ci/run sets it
		t.Skip("without P2P_TEST_LONG: this tries the table, and not this project's service")
	}
	conform(t, startReference(t), func(r row) bool { return r.delta == same })
}

// TestAnyServer tries a server that is running already.
func TestAnyServer(t *testing.T) {
	address := os.Getenv("P2P_TEST_PEERJS")
	if address == "" {
		t.Skip("P2P_TEST_PEERJS names no server")
	}
	conform(t, func(*testing.T, Settings) string { return address }, func(r row) bool { return r.on == Settings{} })
}

// startReference starts PeerJS's own server, npm peer 1.0.2.
func startReference(t *testing.T) Starter {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(cache, "p2p-messaging-compare", "node_modules", "peer", "dist", "bin", "peerjs.js")
	if _, err := os.Stat(program); err != nil {
		missing(t, "PeerJS's server is not installed: go run ./transport/loadtest/compare --install")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "Node is not installed")
	}
	return func(t *testing.T, s Settings) string {
		arguments := []string{program, "--host", "127.0.0.1", "--port", freePort(t)}
		if s.Path != "" {
			arguments = append(arguments, "--path", s.Path)
		}
		if s.Key != "" {
			arguments = append(arguments, "--key", s.Key)
		}
		if s.Discovery {
			arguments = append(arguments, "--allow_discovery")
		}
		if s.Origins != [2]string{} {
			arguments = append(arguments, "--cors", s.Origins[0], "--cors", s.Origins[1])
		}
		if s.Limit > 0 {
			arguments = append(arguments, "--concurrent_limit", strconv.Itoa(s.Limit))
		}
		if s.Expire > 0 {
			arguments = append(arguments, "--expire_timeout", strconv.FormatInt(s.Expire.Milliseconds(), 10), "--cleanup_out_msgs", "100")
		}
		if s.Alive > 0 {
			arguments = append(arguments, "--alive_timeout", strconv.FormatInt(s.Alive.Milliseconds(), 10))
		}
		return run(t, exec.Command("node", arguments...))
	}
}

// freePort returns a port that nobody listens on. PeerJS's server cannot choose one itself.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// missing skips a test that needs what this machine does not have. CI must have it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// announced matches the address that a server prints when it is ready.
var announced = regexp.MustCompile(`127\.0\.0\.1(?::|, port: )([0-9]+)`)

// run starts a program and returns the address that it prints. The program ends with the test.
func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errors output
	c.Stderr = &errors
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := announced.FindStringSubmatch(lines.Text()); m != nil {
				found <- "127.0.0.1:" + m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		for range found {
		}
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", c.Path, errors.String())
		}
	})
	select {
	case address, ok := <-found:
		if !ok {
			t.Fatalf("%s did not start: %s", c.Path, errors.String())
		}
		return address
	case <-time.After(patience):
		t.Fatalf("%s was not ready after %v: %s", c.Path, patience, errors.String())
	}
	return ""
}

// output is what a program writes.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
