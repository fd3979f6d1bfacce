package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/transport/internal/selfsigned"
)

// pair is a certificate and its key as PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, name string, from, until time.Time) pair {
	t.Helper()
	made, err := selfsigned.New(x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "*.wild.test"}, NotBefore: from, NotAfter: until,
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := selfsigned.PEM(made)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

func fresh(t *testing.T, name string) pair {
	return newPair(t, name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// folder has the files of a pair.
type folder struct {
	dir string
	log *journal
}

func newFolder(t *testing.T, p pair) *folder {
	f := &folder{t.TempDir(), newJournal()}
	f.put(t, p)
	return f
}

func (f *folder) put(t *testing.T, p pair) {
	t.Helper()
	put(t, f.options().CertFile, p.cert)
	put(t, f.options().KeyFile, p.key)
}

func (f *folder) options() Options {
	return Options{Logger: f.log.logger(), CertFile: filepath.Join(f.dir, "cert.pem"), KeyFile: filepath.Join(f.dir, "key.pem")}
}

func (f *folder) open(t *testing.T) *files {
	t.Helper()
	opened, err := newFiles(f.options())
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func wantName(t *testing.T, f *files, want string) {
	t.Helper()
	c, err := f.certificate(nil)
	if err != nil || c.Leaf.DNSNames[0] != want {
		t.Errorf("the certificate is for %q, %v; wanted %q", c.Leaf.DNSNames, err, want)
	}
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	swaps := map[string]func(t *testing.T, f *folder, p pair){
		"written in place": func(t *testing.T, f *folder, p pair) { f.put(t, p) },
		"renamed": func(t *testing.T, f *folder, p pair) {
			for name, content := range map[string][]byte{f.options().CertFile: p.cert, f.options().KeyFile: p.key} {
				put(t, name+".new", content)
				if err := os.Rename(name+".new", name); err != nil {
					t.Fatal(err)
				}
			}
		},
		"links swapped": func(t *testing.T, f *folder, p pair) {
			for name, content := range map[string][]byte{f.options().CertFile: p.cert, f.options().KeyFile: p.key} {
				put(t, name+"2", content)
				if err := os.Symlink(name+"2", name+".link"); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(name+".link", name); err != nil {
					t.Fatal(err)
				}
			}
		},
		"with the times of before": func(t *testing.T, f *folder, p pair) {
			info, err := os.Stat(f.options().CertFile)
			if err != nil {
				t.Fatal(err)
			}
			f.put(t, p)
			for _, name := range []string{f.options().CertFile, f.options().KeyFile} {
				if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, swap := range swaps {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, fresh(t, "one.test"))
			c, err := New(f.options())
			if err != nil {
				t.Fatal(err)
			}
			opened := c.source.(*files)
			opened.interval = time.Millisecond
			defer c.Start(listen(t), nil)()
			wantName(t, opened, "one.test")
			swap(t, f, fresh(t, "two.test"))
			f.log.wait(t, "a new certificate is in use")
			wantName(t, opened, "two.test")
		})
	}
}

func TestAFolderThatALinkNamesMayBeSwappedUnderTheFiles(t *testing.T) {
	f := newFolder(t, fresh(t, "one.test"))
	one, two, data := filepath.Join(f.dir, "1"), filepath.Join(f.dir, "2"), filepath.Join(f.dir, "..data")
	for dir, p := range map[string]pair{one: fresh(t, "one.test"), two: fresh(t, "two.test")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "tls.crt"), p.cert)
		put(t, filepath.Join(dir, "tls.key"), p.key)
	}
	if err := os.Symlink(one, data); err != nil {
		t.Fatal(err)
	}
	opened, err := newFiles(Options{Logger: f.log.logger(), CertFile: filepath.Join(data, "tls.crt"), KeyFile: filepath.Join(data, "tls.key")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(two, data+"_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		t.Fatal(err)
	}
	opened.look(false)
	wantName(t, opened, "two.test")
}

func TestABrokenPairIsLoggedAndTheOneOfBeforeStaysInUse(t *testing.T) {
	other := fresh(t, "two.test")
	for fault, breaks := range map[string]func(t *testing.T, o Options){
		"does not belong": func(t *testing.T, o Options) { put(t, o.CertFile, other.cert) },
		"no whole certificate": func(t *testing.T, o Options) {
			put(t, o.CertFile, other.cert[:len(other.cert)/2])
		},
		"no whole private key": func(t *testing.T, o Options) {
			put(t, o.CertFile, other.cert)
			put(t, o.KeyFile, other.key[:len(other.key)/2])
		},
		"is empty":         func(t *testing.T, o Options) { put(t, o.KeyFile, nil) },
		"there is no file": func(t *testing.T, o Options) { _ = os.Remove(o.KeyFile) },
		"a folder": func(t *testing.T, o Options) {
			_ = os.Remove(o.CertFile)
			_ = os.Mkdir(o.CertFile, 0o700)
		},
		"ended on": func(t *testing.T, o Options) {
			p := newPair(t, "old.test", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
			put(t, o.CertFile, p.cert)
			put(t, o.KeyFile, p.key)
		},
		"begins on": func(t *testing.T, o Options) {
			p := newPair(t, "later.test", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
			put(t, o.CertFile, p.cert)
			put(t, o.KeyFile, p.key)
		},
		"has a certificate and no private key": func(t *testing.T, o Options) { put(t, o.KeyFile, other.cert) },
		"has a private key and no certificate": func(t *testing.T, o Options) { put(t, o.CertFile, other.key) },
		"not the server's own": func(t *testing.T, o Options) {
			put(t, o.CertFile, append(fresh(t, "ca.test").cert, other.cert...))
			put(t, o.KeyFile, other.key)
		},
	} {
		t.Run(fault, func(t *testing.T) {
			f := newFolder(t, fresh(t, "one.test"))
			opened := f.open(t)
			breaks(t, f.options())
			opened.look(false)
			if strings.Contains(f.log.String(), "WARN") {
				t.Errorf("at the first look it logged %s; wanted it to wait, for the files may be half-written", f.log)
			}
			opened.look(false)
			opened.look(false)
			if n := strings.Count(f.log.String(), fault); n != 1 {
				t.Errorf("it logged %q with %q %d times; wanted once", f.log, fault, n)
			}
			wantName(t, opened, "one.test")
			_ = os.Remove(f.options().CertFile)
			f.put(t, other)
			opened.look(false)
			wantName(t, opened, "two.test")
			if strings.Contains(f.log.String(), "BEGIN") {
				t.Error("the log has PEM in it")
			}
		})
	}
}

func TestAtTheStartABrokenPairIsAnErrorAndAnExpiredOneAWarning(t *testing.T) {
	f := newFolder(t, fresh(t, "one.test"))
	put(t, f.options().KeyFile, fresh(t, "two.test").key)
	if _, err := newFiles(f.options()); err == nil || !strings.Contains(err.Error(), "does not belong") || strings.Contains(err.Error(), "\n") {
		t.Errorf("with a key of another certificate: %v; wanted a sentence about it", err)
	}
	f.put(t, newPair(t, "old.test", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
	wantName(t, f.open(t), "old.test")
	if !strings.Contains(f.log.String(), "level=WARN") || !strings.Contains(f.log.String(), "ended on") {
		t.Errorf("with an expired certificate it logged %s; wanted a warning", f.log)
	}
}

func TestSIGHUPMakesTheFilesBeReadAtOnce(t *testing.T) {
	f := newFolder(t, fresh(t, "one.test"))
	c, err := New(f.options())
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	secure := tls.NewListener(l, c.TLS())
	go func() {
		for {
			conn, err := secure.Accept()
			if err != nil {
				return
			}
			go func() { _ = conn.(*tls.Conn).Handshake(); _ = conn.Close() }()
		}
	}()
	hangup := func() {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// A signal that nobody catches would end the test.
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	c.source.(*files).interval = time.Hour
	defer c.Start(l, nil)()
	f.log.wait(t, "are watched")
	hangup()
	f.log.wait(t, "have not changed")
	f.put(t, fresh(t, "two.test"))
	hangup()
	f.log.wait(t, "a new certificate is in use")
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	state := conn.ConnectionState()
	if name := state.PeerCertificates[0].DNSNames[0]; name != "two.test" || state.NegotiatedProtocol != "h2" {
		t.Errorf("a handshake shows %s and chooses %q; wanted two.test and h2", name, state.NegotiatedProtocol)
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("a handshake of TLS 1.1 succeeded")
	}
}

func TestTheRedirectLeadsToAHostOfTheCertificateOnly(t *testing.T) {
	f := newFolder(t, fresh(t, "one.test"))
	c, err := New(f.options())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		port               int
		host, target, want string
	}{
		{443, "one.test", "/a%2Fb//c?d=e&f", "https://one.test/a%2Fb//c?d=e&f"},
		{443, "ONE.test.:80", "/", "https://one.test/"},
		{8443, "one.test:8080", "/", "https://one.test:8443/"},
		{443, "a.wild.test", "/", "https://a.wild.test/"},
		{443, "evil.test", "//evil.test/x", "https://one.test//evil.test/x"},
		{443, "evil.test@one.test", "/", "https://one.test/"},
		{443, "", "/", "https://one.test/"},
		{443, "[::1]:80", "/", "https://one.test/"},
		{443, "one.test", "*", "https://one.test/"},
	} {
		request := httptest.NewRequest(http.MethodOptions, r.target, nil)
		request.Host = r.host
		recorder := httptest.NewRecorder()
		c.redirectHandler(r.port).ServeHTTP(recorder, request)
		if got := recorder.Header().Get("Location"); got != r.want || recorder.Code != http.StatusPermanentRedirect {
			t.Errorf("%s at host %q is redirected to %s with %d; wanted %s with 308", r.target, r.host, got, recorder.Code, r.want)
		}
	}
}

func TestNamesThatNobodyCertifiesAreToldInWords(t *testing.T) {
	for given, want := range map[string]string{
		"chat.example.org": "chat.example.org", "Chat.Example.ORG.": "chat.example.org",
		"bücher.example.org": "xn--bcher-kva.example.org", " chat.example.org": "chat.example.org",
	} {
		if got, err := Name(given, true); got != want || err != nil {
			t.Errorf("%q is %q, %v; wanted %q", given, got, err, want)
		}
	}
	for given, want := range map[string]string{
		"": "empty", "*.example.org": "wildcard", "203.0.113.7": "is an address", "[2001:db8::1]": "is an address", "2001:db8::1": "is an address",
		"chat.example.org:443": "--domain chat.example.org --port 443", "https://chat.example.org/": "is a URL", "chat.example.org/x": "is a URL",
		"localhost": "this machine", "a.localhost": "this machine", "chat": "your own network", "chat.local": ".local", "chat.internal.": ".internal",
		"a_b.example.org": "no name", "a..org": "no name", "you@example.org": "mail address", "1.2.3": "neither", "a b.org": "no name",
		strings.Repeat("a", 64) + ".org": "no name",
	} {
		if got, err := Name(given, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q, %v; wanted an error with %q", given, got, err, want)
		}
	}
	if name, err := Name("chat.internal", false); err != nil || name != "chat.internal" {
		t.Errorf("for an authority of one's own, chat.internal is %q, %v; wanted it taken", name, err)
	}
}

func TestWildcardsAreNoNamesOfHosts(t *testing.T) {
	for name, row := range map[string]struct{ names, hosts []string }{
		"chat.example.org": {[]string{"chat.example.org"}, []string{"chat.example.org"}},
		"*.example.org":    {nil, []string{"localhost"}},
	} {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
		p := fresh(t, name)
		put(t, cert, p.cert)
		put(t, key, p.key)
		c, err := New(Options{Logger: slog.New(slog.DiscardHandler), CertFile: cert, KeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		if names, hosts := c.Names(), c.Hosts(); !slices.Equal(names, row.names) || !slices.Equal(hosts, row.hosts) {
			t.Errorf("the names of a certificate for %s are %q, and its hosts %q; want %q and %q", name, names, hosts, row.names, row.hosts)
		}
	}
	var none *Certificates
	if none.Names() != nil || none.Hosts() != nil {
		t.Error("without TLS there are names")
	}
}
