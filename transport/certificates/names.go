package certificates

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// LetsEncrypt is the directory of the certificate authority that is asked unless another is given.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Name returns a domain name as certificates have it: in small letters, in ASCII (RFC 5890) and without a dot at its end. Its
// error says why nobody gives a certificate for it by ACME. Public tells that the authority is a public one.
func Name(domain string, public bool) (string, error) {
	const example = "give a name such as chat.example.org"
	name := strings.TrimSuffix(strings.TrimSpace(domain), ".")
	host, port, err := net.SplitHostPort(name)
	_, notAddress := netip.ParseAddr(strings.Trim(name, "[]"))
	switch {
	case name == "":
		return "", fmt.Errorf("the name is empty: %s", example)
	case strings.Contains(name, "://"), strings.Contains(name, "/"):
		return "", fmt.Errorf("%q is a URL: give the name alone, such as chat.example.org", domain)
	case notAddress == nil:
		return "", fmt.Errorf("%q is an address: certificates are for names, so %s", domain, example)
	case err == nil && port != "":
		return "", fmt.Errorf("%q has a port in it: give --domain %s --port %s", domain, host, port)
	case strings.Contains(name, "*"):
		return "", fmt.Errorf("%q is a wildcard, and its certificate needs access to your DNS: name each host by itself, or give files with --tls-cert and --tls-key", domain)
	case strings.Contains(name, "@"):
		return "", fmt.Errorf("%q is a mail address: %s", domain, example)
	}
	// RFC 5891, with the bounds of RFC 1035 on lengths.
	ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true)).ToASCII(name)
	if err != nil || strings.ContainsAny(ascii, "_: ") {
		return "", fmt.Errorf("%q is no name of a host: %s", domain, example)
	}
	last := ascii[strings.LastIndexByte(ascii, '.')+1:]
	switch {
	case last == "localhost":
		return "", fmt.Errorf("%q is this machine itself, and nobody gives certificates for it: %s", domain, example)
	case strings.Trim(last, "0123456789") == "":
		return "", fmt.Errorf("%q is neither a name nor an address: %s", domain, example)
	case public && !strings.Contains(ascii, "."):
		return "", fmt.Errorf("%q is a name of your own network, and public authorities give no certificates for it: give a name such as chat.example.org, or an authority of your own with --acme-directory", domain)
	case public && isPrivate(last):
		return "", fmt.Errorf("%q ends in .%s, and public authorities give no certificates for such names: give a name such as chat.example.org, or an authority of your own with --acme-directory", domain, last)
	}
	return ascii, nil
}

// isPrivate reports whether no public name ends in this label (RFC 6761, RFC 6762, RFC 8375, RFC 7686; ICANN has set internal
// aside).
func isPrivate(last string) bool {
	switch last {
	case "local", "internal", "lan", "home", "corp", "test", "invalid", "example", "onion", "arpa":
		return true
	}
	return false
}
