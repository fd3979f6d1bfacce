package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// Lines of nginx's configuration, as transport/options/README.md has them.
const (
	rightHost = "proxy_set_header Host $http_host;"
	upgrades  = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
	http1     = "proxy_http_version 1.1;"
)

// proxied is one configuration of nginx as people copy it.
type proxied struct {
	name string
	// server is what stands in nginx's block of that name. SERVICE is the address of the service.
	server string
	// path is where the page is opened. Default: /.
	path string
	// works: two people can chat. Otherwise the page shows, and the service's log says, what is wrong.
	works bool
	page  string
	log   []string
}

func configurations() []proxied {
	const notThrough = "its connection (a WebSocket) does not get through"
	at := func(location string, lines ...string) string {
		return location + " { proxy_pass http://SERVICE; " + strings.Join(lines, " ") + " }"
	}
	const root = "location /"
	under := func(location string) string {
		return location + " { proxy_pass http://SERVICE/; " + rightHost + upgrades + http1 + " }"
	}
	return []proxied{
		{name: "all that is needed", server: at(root, rightHost, upgrades, http1), works: true},
		{name: "nginx's own Host", server: at(root, upgrades, http1),
			page: "does not accept pages from", log: []string{"status=403", "proxy_set_header Host $http_host"}},
		{name: "the Host without its port", server: at(root, "proxy_set_header Host $host;", upgrades, http1),
			page: "does not accept pages from", log: []string{"status=403", "proxy_set_header Host $http_host"}},
		{name: "X-Forwarded-Host alone", server: at(root, "proxy_set_header X-Forwarded-Host $http_host;", upgrades, http1),
			page: "does not accept pages from", log: []string{"status=403", "proxy_set_header Host $http_host"}},
		{name: "no upgrade", server: at(root, rightHost, http1),
			page: notThrough, log: []string{"status=426", "proxy_set_header Upgrade $http_upgrade"}},
		{name: "HTTP/1.0", server: at(root, rightHost, upgrades, "proxy_http_version 1.0;"),
			page: notThrough, log: []string{"status=505", "proxy_http_version 1.1"}},
		{name: "another Connection", server: at(root, rightHost, "proxy_set_header Upgrade $http_upgrade;", http1),
			page: notThrough, log: []string{"status=400", "proxy_set_header Connection upgrade"}},
		{name: "under a path", server: under("location /chat/") + " location = /chat { return 301 /chat/; }", path: "/chat", works: true},
		{name: "under a path without its slash", server: under("location /chat"), path: "/chat/", works: true},
		{name: "under a path that is left there", server: at("location = /chat/ws", rightHost, upgrades, http1) + " " + under("location /chat/"), path: "/chat/",
			page: "Something other than the service answers", log: []string{"status=404", "path=/chat/ws", "location /chat/ { proxy_pass"}},
		{name: "nothing behind it", server: strings.ReplaceAll(at("location = /ws", rightHost, upgrades, http1), "SERVICE", "127.0.0.1:9") + " " + at(root, rightHost),
			page: "the service behind it is not running"},
	}
}

func TestBehindNginxThePageWorksOrSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	for _, c := range configurations() {
		t.Run(c.name, func(t *testing.T) {
			s := startService(t)
			proxy := startNginx(t, strings.ReplaceAll(c.server, "SERVICE", s.address))
			alice := newPage(t, "alice", "http://"+proxy+c.path)
			if !c.works {
				alice.shows("status", "", c.page)
				for _, part := range c.log {
					if logged := s.log.String(); !strings.Contains(logged, part) {
						t.Errorf("logged:\n%s\nwant %q in it", logged, part)
					}
				}
				return
			}
			alice.join("alice")
			bob := s.peer("bob")
			alice.connectTo("bob")
			bob.accept()
			alice.connected("bob")
			if logged := s.log.String(); logged != "" {
				t.Errorf("logged:\n%s\nwant nothing", logged)
			}
		})
	}
}

func TestBehindATrustedNginxXForwardedHostIsEnough(t *testing.T) {
	t.Parallel()
	s := startServiceAt(t, "127.0.0.1:0", net.Listen, actors.Options{}, func(o *transport.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	const forwarded = "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
	proxy := startNginx(t, "location / { proxy_pass http://"+s.address+"; "+forwarded+upgrades+http1+" }")
	for origin, want := range map[string]int{"http://" + proxy: 101, "https://" + proxy: 403, "http://evil.example": 403} {
		request, err := http.NewRequest("GET", "http://"+proxy+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1"} {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("a page of %s: %s; want %d", origin, response.Status, want)
		}
	}
}

func TestAPageWhosePartsAreMissingSaysSo(t *testing.T) {
	t.Parallel()
	s := startService(t)
	proxy := startNginx(t, "location /chat { proxy_pass http://"+s.address+"/; }")
	alice := newPage(t, "alice", "http://"+proxy+"/chat")
	alice.until("what helps", func(context.Context) (bool, error) {
		return eval[bool](alice, `document.body.innerText.includes("If its address does not end with a slash")`), nil
	})
}

// lookProgram finds a program, also one for operators, whose folder users do not search.
func lookProgram(name string) (path string, err error) {
	if path, err = exec.LookPath(name); err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	return path, err
}

// startNginx starts nginx with one server block, and returns its address. It ends with the test.
func startNginx(t testing.TB, server string) string {
	t.Helper()
	path, err := lookProgram("nginx")
	if err != nil {
		missing(t, "nginx is not installed: apt-get install nginx-light")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	configuration := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(configuration, fmt.Appendf(nil, `daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
		events {}
		http {
			access_log off;
			client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
			server { listen %[2]s; %[3]s }
		}`, folder, address, server), 0o600); err != nil {
		t.Fatal(err)
	}
	var output lockedBuffer
	process := exec.Command(path, "-p", folder, "-c", configuration)
	process.Stdout, process.Stderr = &output, &output
	endWithTests(process)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = process.Wait() // Its status says nothing about the page.
	}()
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	for deadline := time.Now().Add(patience); ; {
		socket, err := net.Dial("tcp", address)
		if err == nil {
			_ = socket.Close()
			return address
		}
		select {
		case <-ended:
			t.Fatalf("nginx has ended:\n%s", output.String())
		case <-time.After(10 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatalf("nginx does not listen: %v\n%s", err, output.String())
			}
		}
	}
}
