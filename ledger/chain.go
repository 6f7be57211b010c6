package ledger

// Sealed is an entry as it is kept: canonical bytes and their hash.
type Sealed struct {
	Seq   uint64
	Kind  Kind
	Bytes []byte // canonical bytes, docs/formats/ledger.md
	Hash  Hash   // SHA-256 of Bytes
}

// Head is the end of a chain: what to publish, and what the next entry follows.
type Head struct {
	Seq  uint64 // 0 for an empty chain
	Hash Hash
}
