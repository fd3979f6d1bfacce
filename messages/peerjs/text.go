package peerjs

// appendString appends a JSON string, as JSON.stringify writes it. The bytes of half a surrogate pair become an escape.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		half := c == 0xED && i+2 < len(s) && s[i+1] >= 0xA0
		if i < from || c >= ' ' && c != '"' && c != '\\' && !half {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case 0xED:
			from = i + 3
			b = append(b, '\\', 'u', 'd', hex[s[i+1]>>2&0xF], hex[s[i+1]<<2&0xC|s[i+2]>>4&3], hex[s[i+2]&0xF])
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
		}
	}
	return append(append(b, s[from:]...), '"')
}
