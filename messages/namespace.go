package messages

// PeerMark begins the key of a PeerJS id (package peerjs). No login has a control character, so no such key is that of a login: the
// login alice and the id alice are two clients.
const PeerMark = '\x03'

// PeerKey returns the key of a PeerJS id. Ids are compared exactly.
func PeerKey(id string) string { return string(PeerMark) + id }

// IsPeerKey reports whether a key is that of a PeerJS id.
func IsPeerKey[T ~string | ~[]byte](key T) bool { return len(key) > 0 && key[0] == PeerMark }
