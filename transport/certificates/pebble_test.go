package certificates

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// authority is an ACME server of the test's own. Every name leads it to 127.0.0.1.
type authority struct {
	directory string
	client    *x509.CertPool // what the ACME server's own certificate comes from
	issued    *x509.CertPool // what the certificates that it gives come from
	instead   atomic.Pointer[http.HandlerFunc]
}

// startAuthority starts Pebble. It validates at the given ports.
func startAuthority(t *testing.T, httpPort, tlsPort int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	names := listen(t)
	ready := make(chan struct{})
	resolver := &dns.Server{Listener: names, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if question := q.Question[0]; question.Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(answer)
	})}
	go func() { _ = resolver.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = resolver.Shutdown() })

	silent := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuing := ca.New(silent, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 3600}})
	validation := va.New(silent, httpPort, tlsPort, false, names.Addr().String(), store)
	front := wfe.New(silent, store, validation, issuing, []string{"pebble.test"}, false, false, 0, 0)
	handler := front.Handler()

	a := new(authority)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if instead := a.instead.Load(); instead != nil {
			(*instead)(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.directory = server.URL + wfe.DirectoryPath
	a.client, a.issued = x509.NewCertPool(), x509.NewCertPool()
	a.client.AddCert(server.Certificate())
	root, err := x509.ParseCertificate(issuing.GetRootCert(0).DER)
	if err != nil {
		t.Fatal(err)
	}
	a.issued.AddCert(root)
	return a
}
