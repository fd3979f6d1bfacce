package transport

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// page serves the client's files from memory. It compresses them once, when it is made.
type page struct {
	files           map[string]*file // by path, such as "/app.js"; "/" is index.html
	strictTransport string           // the header Strict-Transport-Security, or none
}

// file is one file of the page, in its plain form and, if that is shorter, in a compressed form.
type file struct {
	contentType string
	plain       representation
	gzip        representation // without a body if there is no compressed form
}

// representation is one form of a file (RFC 9110, section 3.2), each with an ETag of its own.
type representation struct {
	body []byte
	etag string
}

// newPage reads all files. If files is nil, the page has none.
func newPage(files fs.FS) (*page, error) {
	p := &page{files: make(map[string]*file)}
	if files == nil {
		return p, nil
	}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		p.files["/"+name] = newFile(name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	index, ok := p.files["/index.html"]
	if !ok {
		return nil, fmt.Errorf("read the page's files: there is no index.html")
	}
	p.files["/"] = index
	return p, nil
}

func newFile(name string, body []byte) *file {
	hash := sha256.Sum256(body)
	tag := base64.RawURLEncoding.EncodeToString(hash[:12])
	f := &file{contentType: contentType(name), plain: representation{body, `"` + tag + `"`}}
	var compressed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression) // the level is valid, and a bytes.Buffer takes all
	_, _ = w.Write(body)
	_ = w.Close()
	if compressed.Len() < len(body) {
		f.gzip = representation{compressed.Bytes(), `"` + tag + `-gzip"`}
	}
	return f
}

// contentType returns the media type of a file. It uses the tables of the machine only for types of files that the page does
// not consist of.
func contentType(name string) string {
	extension := path.Ext(name)
	switch extension {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".ico":
		return "image/x-icon"
	}
	if t := mime.TypeByExtension(extension); t != "" {
		return t
	}
	return "application/octet-stream"
}

// has reports whether a request is for a file.
func (p *page) has(r *http.Request) bool {
	_, ok := p.files[pathOf(r)]
	return ok
}

// serve answers a request for a file.
func (p *page) serve(w http.ResponseWriter, r *http.Request, at route) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if p.strictTransport != "" {
		header.Set("Strict-Transport-Security", p.strictTransport)
	}
	f, ok := p.files[pathOf(r)]
	if !ok {
		http.Error(w, "There is nothing here. The page is at /.", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "This can be read only: use GET.", http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", contentSecurityPolicy(at))
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	form := f.plain
	if f.gzip.body != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header) {
			form = f.gzip
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", form.etag)
	if r.Header.Get("Range") == "" {
		header.Set("Content-Length", strconv.Itoa(len(form.body))) // ServeContent leaves it out beside an encoding
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(form.body))
}

// acceptsGzip reports whether Accept-Encoding allows gzip (RFC 9110, section 12.5.3).
func acceptsGzip(header http.Header) bool {
	for _, value := range header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			coding, parameter, _ := strings.Cut(part, ";")
			if coding = strings.TrimSpace(coding); !strings.EqualFold(coding, "gzip") && coding != "*" {
				continue
			}
			_, weight, weighted := strings.Cut(parameter, "=")
			quality, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
			return !weighted || err == nil && quality > 0
		}
	}
	return false
}

// hostHeader matches a Host header that is safe to repeat in a policy.
var hostHeader = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// contentSecurityPolicy returns a policy that allows only what the page needs. The policy names the addresses of the
// WebSockets, because not every browser counts them as 'self'.
func contentSecurityPolicy(at route) string {
	connect := "'self'"
	if hostHeader.MatchString(at.host) {
		if at.scheme != "https" {
			connect += " ws://" + at.host
		}
		if at.scheme != "http" {
			connect += " wss://" + at.host
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
		"connect-src " + connect + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types lit-html"
}
