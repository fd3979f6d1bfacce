// Package jsontext has what the scanners of JSON share: that of the service's own protocol and that of its dialects. Its functions take the
// position where something begins, and return the position behind it.
package jsontext
