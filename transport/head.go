package transport

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// headReader reads the heads of ordinary requests, such as those of browsers. It reads only what a handshake depends on, and
// uses the same request each time. So it takes a fraction of the time of http.ReadRequest (BenchmarkHead).
//
// It is strict. What net/http may refuse, or read in another way, it does not read. Then net/http decides.
type headReader struct {
	request http.Request
	url     url.URL
	values  [len(headerNames)]string
}

// headerNames are the headers that a handshake depends on, besides Host, in the canonical form of package net/http.
var headerNames = [...]string{
	"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Origin",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded",
}

// bodyHeaders are headers about a body. A request that has one of them is not ordinary.
var bodyHeaders = [...]string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect"}

// read returns the request whose head this is, with its empty line. It returns nil if the request is not ordinary. The request
// is good until the next call.
func (h *headReader) read(head []byte) *http.Request {
	line, rest, _ := bytes.Cut(head, crlf)
	target, isGet := bytes.CutPrefix(line, []byte("GET "))
	target, is11 := bytes.CutSuffix(target, []byte(" HTTP/1.1"))
	if !isGet || !is11 || !isOrdinaryTarget(target) {
		return nil
	}
	if h.request.Header == nil {
		h.request.Header = make(http.Header, len(headerNames))
	}
	header := h.request.Header
	clear(header)
	h.request = http.Request{
		Method: http.MethodGet, URL: &h.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
	}
	h.url = url.URL{}
	h.url.Path, h.url.RawQuery, h.url.ForceQuery = strings.Cut(string(target), "?")
	h.url.ForceQuery = h.url.ForceQuery && h.url.RawQuery == ""
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			break
		}
		if !h.field(line) {
			return nil
		}
	}
	if len(rest) > 0 || h.request.Host == "" {
		return nil
	}
	return &h.request
}

var crlf = []byte("\r\n")

// field reads a header field. It reports false if the request is not ordinary because of it.
func (h *headReader) field(line []byte) bool {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || !httpguts.ValidHeaderFieldName(string(name)) {
		return false
	}
	value = bytes.Trim(value, " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	if isNamed(name, "Host") {
		if h.request.Host != "" || !httpguts.ValidHostHeader(string(value)) {
			return false
		}
		h.request.Host = string(value)
		return h.request.Host != ""
	}
	for i, known := range headerNames {
		if isNamed(name, known) {
			if h.request.Header[known] != nil {
				return false
			}
			h.values[i] = string(value)
			h.request.Header[known] = h.values[i : i+1 : i+1]
			return true
		}
	}
	for _, known := range bodyHeaders {
		if isNamed(name, known) {
			return false
		}
	}
	return true
}

func isNamed(name []byte, known string) bool {
	return len(name) == len(known) && strings.EqualFold(string(name), known) // the conversion does not allocate
}

// isOrdinaryTarget reports whether a request's target is a path, perhaps with a query, in which nothing is to be decoded.
func isOrdinaryTarget(target []byte) bool {
	for _, c := range target {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/?-._~=&+:@,", c) >= 0:
		default:
			return false
		}
	}
	return len(target) > 0 && target[0] == '/'
}
