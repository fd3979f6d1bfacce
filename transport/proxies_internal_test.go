package transport

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// trusted are the proxies of these tests.
var trusted = proxies{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// request returns a request with these header lines.
func request(lines ...string) *http.Request {
	r := &http.Request{Host: "service:7777", Header: http.Header{}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestTheRouteOfARequestIsWhatTrustedProxiesSay(t *testing.T) {
	for name, row := range map[string]struct {
		peer   string
		lines  []string
		client string
		scheme string
		host   string
	}{
		"nothing said": {peer: "127.0.0.1", client: "127.0.0.1"},
		"an address":   {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1"}, client: "192.0.2.1"},
		"all three": {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: chat.example:8443", "X-Forwarded-Proto: https"},
			client: "192.0.2.1", scheme: "https", host: "chat.example:8443"},
		"a stranger": {peer: "192.0.2.9", lines: []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "Forwarded: for=1.1.1.1;host=evil;proto=https"},
			client: "192.0.2.9"},
		"no address of a peer": {lines: []string{"X-Forwarded-Host: evil"}},

		"forged at the left":               {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.1"}, client: "192.0.2.1"},
		"a forged proxy at the left":       {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 10.0.0.1, 192.0.2.1"}, client: "192.0.2.1"},
		"forged in a line of its own":      {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.1"}, client: "192.0.2.1"},
		"forged with an open quote":        {peer: "127.0.0.1", lines: []string{`X-Forwarded-For: "1.1.1.1, 192.0.2.1`}, client: "192.0.2.1"},
		"forged nonsense":                  {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: <script>, 192.0.2.1"}, client: "192.0.2.1"},
		"several proxies":                  {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.1.1.1,10.2.2.2"}, client: "192.0.2.1"},
		"several proxies in lines":         {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.1", "X-Forwarded-For: 10.1.1.1", "X-Forwarded-For: 10.2.2.2"}, client: "192.0.2.1"},
		"nobody but proxies":               {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 10.3.3.3, 10.1.1.1"}, client: "10.3.3.3"},
		"empty elements":                   {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1, , 10.1.1.1,,"}, client: "192.0.2.1"},
		"an empty header":                  {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: "}, client: "127.0.0.1"},
		"a port":                           {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1:4711"}, client: "192.0.2.1"},
		"IPv6":                             {peer: "fd00::1", lines: []string{"X-Forwarded-For: 2001:db8::1, fd00::2"}, client: "2001:db8::1"},
		"IPv6 with a port":                 {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: [2001:db8::1]:4711"}, client: "2001:db8::1"},
		"IPv6 in brackets":                 {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: [2001:db8::1]"}, client: "2001:db8::1"},
		"IPv6 in quotes":                   {peer: "127.0.0.1", lines: []string{`X-Forwarded-For: "[2001:db8::1]:4711"`}, client: "2001:db8::1"},
		"IPv4 as IPv6":                     {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.1"}, client: "192.0.2.1"},
		"a zone":                           {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: fe80::1%eth0"}, client: "fe80::1"},
		"unknown":                          {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, unknown"}, client: "127.0.0.1"},
		"nonsense behind a proxy":          {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 999.1.1.1, 10.1.1.1"}, client: "10.1.1.1"},
		"an open bracket":                  {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: [2001:db8::1"}, client: "127.0.0.1"},
		"IPv4 in brackets":                 {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: [192.0.2.1]"}, client: "127.0.0.1"},
		"letters behind a bracket":         {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: [2001:db8::1]x"}, client: "127.0.0.1"},
		"a host by the only proxy":         {peer: "127.0.0.1", lines: []string{"X-Forwarded-Host: evil, chat.example"}, client: "127.0.0.1", host: "chat.example"},
		"a host by the outermost of three": {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.1.1.1, 10.2.2.2", "X-Forwarded-Host: evil, chat.example, inner, innermost"}, client: "192.0.2.1", host: "chat.example"},
		"a host by one of two":             {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1, 10.1.1.1", "X-Forwarded-Host: chat.example"}, client: "192.0.2.1", host: "chat.example"},
		"a host that is none":              {peer: "127.0.0.1", lines: []string{"X-Forwarded-Host: a b"}, client: "127.0.0.1"},
		"an empty host":                    {peer: "127.0.0.1", lines: []string{"X-Forwarded-Host: "}, client: "127.0.0.1"},
		"the scheme of the WebSocket":      {peer: "127.0.0.1", lines: []string{"X-Forwarded-Proto: WSS"}, client: "127.0.0.1", scheme: "https"},
		"schemes":                          {peer: "127.0.0.1", lines: []string{"X-Forwarded-For: 192.0.2.1, 10.1.1.1", "X-Forwarded-Proto: https, http"}, client: "192.0.2.1", scheme: "https"},
		"another scheme":                   {peer: "127.0.0.1", lines: []string{"X-Forwarded-Proto: gopher"}, client: "127.0.0.1"},

		"Forwarded":                {peer: "127.0.0.1", lines: []string{`Forwarded: for=192.0.2.1;proto=https;host=chat.example;by=10.0.0.1`}, client: "192.0.2.1", scheme: "https", host: "chat.example"},
		"Forwarded in capitals":    {peer: "127.0.0.1", lines: []string{`Forwarded: For=192.0.2.1; Proto=HTTPS; HOST="chat.example:8443"`}, client: "192.0.2.1", scheme: "https", host: "chat.example:8443"},
		"Forwarded by several":     {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1;host=evil, for=192.0.2.1;host=chat.example;proto=https, for=10.1.1.1;host=inner;proto=http`}, client: "192.0.2.1", scheme: "https", host: "chat.example"},
		"Forwarded in lines":       {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1;host=evil`, `Forwarded: for=192.0.2.1;host=chat.example`, `Forwarded: for=10.1.1.1`}, client: "192.0.2.1", host: "chat.example"},
		"Forwarded of IPv6":        {peer: "127.0.0.1", lines: []string{`Forwarded: for="[2001:db8::1]:4711"`}, client: "2001:db8::1"},
		"Forwarded without a port": {peer: "127.0.0.1", lines: []string{`Forwarded: for="[2001:db8::1]"`}, client: "2001:db8::1"},
		"an obfuscated port":       {peer: "127.0.0.1", lines: []string{`Forwarded: for="192.0.2.1:_port"`}, client: "192.0.2.1"},
		"an obfuscated identifier": {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1, for=_hidden;host=chat.example`}, client: "127.0.0.1", host: "chat.example"},
		"an unknown client":        {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1, for=unknown;proto=https`}, client: "127.0.0.1", scheme: "https"},
		"Forwarded without for":    {peer: "127.0.0.1", lines: []string{`Forwarded: host=evil, host=chat.example`}, client: "127.0.0.1", host: "chat.example"},
		"a separator in quotes":    {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1, for=192.0.2.1;ext="a, for=2.2.2.2;b";host=chat.example`}, client: "192.0.2.1", host: "chat.example"},
		"an escape in quotes":      {peer: "127.0.0.1", lines: []string{`Forwarded: for=192.0.2.1;ext="\", for=2.2.2.2";host="chat\.example"`}, client: "192.0.2.1", host: "chat.example"},
		"an open quote":            {peer: "127.0.0.1", lines: []string{`Forwarded: for="evil;host=evil, for=192.0.2.1;host=chat.example`}, client: "192.0.2.1", host: "chat.example"},
		"a parameter twice":        {peer: "127.0.0.1", lines: []string{`Forwarded: for=1.1.1.1;for=2.2.2.2`}, client: "127.0.0.1"},
		"no parameters":            {peer: "127.0.0.1", lines: []string{`Forwarded: 1.1.1.1`}, client: "127.0.0.1"},
		"a name that is none":      {peer: "127.0.0.1", lines: []string{`Forwarded: for =1.1.1.1`}, client: "127.0.0.1"},
		"a host that is none, too": {peer: "127.0.0.1", lines: []string{`Forwarded: for=192.0.2.1;host="a b"`}, client: "192.0.2.1"},

		"both kinds": {peer: "127.0.0.1", lines: []string{"Forwarded: for=1.1.1.1;host=evil;proto=http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: chat.example", "X-Forwarded-Proto: https"},
			client: "192.0.2.1", scheme: "https", host: "chat.example"},
		"a forged host beside an address": {peer: "127.0.0.1", lines: []string{"Forwarded: for=1.1.1.1;host=evil", "X-Forwarded-For: 192.0.2.1"}, client: "192.0.2.1"},
		"a forged scheme beside an address": {peer: "127.0.0.1", lines: []string{"Forwarded: proto=http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: chat.example"},
			client: "192.0.2.1", host: "chat.example"},
		"a forged Forwarded of several beside an address": {peer: "127.0.0.1", lines: []string{"Forwarded: for=10.1.1.1;host=evil, for=10.2.2.2;proto=http", "X-Forwarded-For: 192.0.2.1, 10.3.3.3", "X-Forwarded-Proto: https"},
			client: "192.0.2.1", scheme: "https"},
		"some of both kinds": {peer: "127.0.0.1", lines: []string{"Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-Host: chat.example"},
			client: "192.0.2.1", scheme: "https", host: "chat.example"},
	} {
		t.Run(name, func(t *testing.T) {
			peer, _ := netip.ParseAddr(row.peer)
			got := trusted.route(request(row.lines...), peer, false)
			want := route{scheme: row.scheme, host: row.host}
			want.client, _ = netip.ParseAddr(row.client)
			if want.host == "" {
				want.host = "service:7777"
			}
			if got != want {
				t.Errorf("the route is %+v, want %+v", got, want)
			}
		})
	}
}

// Whatever a client puts to the left, what the proxy adds at the right end counts.
func FuzzForgedLists(f *testing.F) {
	for _, forged := range []string{"", "1.1.1.1", `"`, `\"`, `"\`, "for=1.1.1.1", `for="`, `for="[::1]:1`, ",", ";", `a="b\`, "10.0.0.1", "\xff", `for=_x;host="`} {
		f.Add(forged)
	}
	f.Fuzz(func(t *testing.T, forged string) {
		want := route{client: netip.MustParseAddr("2001:db8::1"), scheme: "https", host: "chat.example:8443"}
		peer := netip.MustParseAddr("127.0.0.1")
		r := request()
		r.Header["Forwarded"] = []string{forged + `, for="[2001:db8::1]:4711";host="chat.example:8443";proto=https`}
		if got := trusted.route(r, peer, false); got != want {
			t.Errorf("by Forwarded the route is %+v, want %+v", got, want)
		}
		r = request()
		for name, added := range map[string]string{"X-Forwarded-For": "2001:db8::1", "X-Forwarded-Host": "chat.example:8443", "X-Forwarded-Proto": "https"} {
			r.Header[name] = []string{forged + ", " + added}
		}
		if got := trusted.route(r, peer, false); got != want {
			t.Errorf("by X-Forwarded-For and the like the route is %+v, want %+v", got, want)
		}
	})
}
