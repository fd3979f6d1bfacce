package turn_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"

	"p2p-messaging/transport/turn"
)

// startCoturn starts coturn, the TURN server that most operators have, and returns its address and its process. If by is
// not empty, it is the command that starts coturn.
func startCoturn(t testing.TB, secret string, by ...string) (string, *os.Process) {
	t.Helper()
	path, err := exec.LookPath("turnserver")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("coturn is not installed: apt-get install coturn")
		}
		t.Skip("coturn is not installed")
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	folder := t.TempDir()
	command := append(by, path, "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--listening-port="+port,
		"--use-auth-secret", "--static-auth-secret="+secret, "--realm=coturn.test", "--allow-loopback-peers", "--no-software-attribute",
		"--log-file=stdout", "--simple-log", "--pidfile="+filepath.Join(folder, "pid"), "--userdb="+filepath.Join(folder, "db"))
	process := exec.Command(command[0], command[1:]...)
	var output bytes.Buffer
	process.Stdout, process.Stderr, process.Dir = &output, &output, folder
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
		_ = process.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("coturn says:\n%s", output.String())
		}
	})
	// It is ready when it answers a binding request.
	c, err := net.Dial("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for deadline := time.Now().Add(patience); ; {
		_, _ = c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1500)); err == nil {
			return address, process.Process
		}
		if time.Now().After(deadline) {
			t.Fatal("coturn does not answer")
		}
		time.Sleep(10 * time.Millisecond) // a refused port is told at once
	}
}

// freeAddress returns an address at which nobody listens, by UDP or TCP.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 20 {
		stream, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := stream.Addr().String()
		packets, err := net.ListenPacket("udp4", address)
		stream.Close()
		if err == nil {
			packets.Close()
			return address
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

func TestCoturnTakesTheCredentialsThatTheServiceMakes(t *testing.T) {
	address, _ := startCoturn(t, "shared")
	allocate := func(secret, login string, now time.Time) error {
		servers := turn.Servers{URLs: []string{fmt.Sprintf("turn:%s?transport=udp", address)}, Secret: []byte(secret)}.For(login, now)
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := pion.NewClient(&pion.ClientConfig{
			STUNServerAddr: address, TURNServerAddr: address, Conn: conn, Username: servers[0].Username, Password: servers[0].Credential, RTO: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Listen(); err != nil {
			t.Fatal(err)
		}
		relayed, err := c.Allocate()
		if err == nil {
			relayed.Close()
		}
		return err
	}
	for _, login := range []string{"alice", "Zoë Müller", "a:b", `"'\\;--`, "select", "%20", "👩‍👩‍👧", strings.Repeat("ж", 64)} {
		if err := allocate("shared", login, time.Now()); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
	if allocate("another", "alice", time.Now()) == nil {
		t.Error("another secret is taken, so this test shows nothing")
	}
	if allocate("shared", "alice", time.Now().Add(-2*time.Hour)) == nil {
		t.Error("credentials that expired are taken")
	}
}
