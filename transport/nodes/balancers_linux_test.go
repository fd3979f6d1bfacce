package nodes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// TestNodesBehindABalancerAreRestartedOneAfterTheOther restarts nodes behind load balancers with the configurations that operators
// are shown. After each restart all people are back soon, and nothing is lost.
func TestNodesBehindABalancerAreRestartedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"haproxy", "nginx"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			members, names := three()
			const balancer = "balancer"
			network := onLoopback(append(all(), balancer)...)
			g := form(t, network, "", members, names)
			front := g.balance(t, program, network.hosts[balancer])
			// A page of the balancer may connect. No other page may, and none may say otherwise.
			for origin, want := range map[string]bool{"https://" + front: true, "http://" + front: false, "https://evil.test": false} {
				conn, err := net.Dial("tcp", front)
				if err != nil {
					t.Fatal(err)
				}
				_, err = rawws.Open(conn, rawws.Request("/ws", front, "Origin: "+origin, "X-Forwarded-Host: evil.test", "Forwarded: host=evil.test"))
				if _ = conn.Close(); err == nil != want {
					t.Errorf("a page of %s opens a WebSocket: %v, want %v", origin, err, want)
				}
			}
			c := assemble(network, []string{front}, 24, 40*time.Millisecond)
			t.Cleanup(c.end)
			c.gather(t)
			g.restartEach(t, c, rounds(2))
			right(t, c, g.check(t, c))
		})
	}
}

// balance starts a load balancer in front of the nodes. It returns the address for clients.
func (g *group) balance(t *testing.T, program string, h *host) string {
	t.Helper()
	path := find(t, program)
	name := map[string]string{"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[program]
	content, err := os.ReadFile(filepath.Join("..", "deploy", "cluster", name))
	if err != nil {
		t.Fatal(err)
	}
	address, text := h.address+":7777", string(content)
	for i, n := range g.nodes {
		text = strings.ReplaceAll(text, fmt.Sprintf("10.0.0.%d:", i+1), n.host.address+":")
	}
	// Clients of this test come without TLS.
	text = regexp.MustCompile(`(?m)^ *ssl_certificate.*$`).ReplaceAllLiteralString(text, "")
	text = regexp.MustCompile(`bind :443.*`).ReplaceAllLiteralString(text, "bind "+address)
	text = strings.ReplaceAll(text, "listen 443 ssl;", "listen "+address+";")
	text = strings.ReplaceAll(text, "listen [::]:443 ssl;", "")
	folder := t.TempDir()
	file := filepath.Join(folder, name)
	arguments := []string{"-db", "-f", file}
	if program == "nginx" {
		text = fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr error; events {} http { access_log off;
			client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
			%[2]s }`, folder, text)
		arguments = []string{"-p", folder, "-c", file}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, h, nil, path, arguments...)
	eventually(t, 10*time.Second, program+" takes connections", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("%s has ended: %s", program, p.output.String())
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	return address
}

// find finds a program, also in /usr/sbin, which is not in the PATH of users. CI must have it.
func find(t *testing.T, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}
