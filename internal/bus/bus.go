// Package bus carries notices that something was committed. A notice holds no data:
// whoever gets one reads the store, so that nothing can be seen before it is
// stored and a lost notice costs a delay, never a fact.
package bus

// Notice says that the event Seq of the store Epoch was committed. Several commits
// may be told by one notice, the last.
type Notice struct {
	Epoch string
	Seq   uint64
	Kind  string // what was committed: "bar", "step", "quarantine", "feed"
	Key   string // a series ID or a feed's name; empty when several are meant
}

// Bus passes notices on.
type Bus interface {
	// Publish tells every subscriber. It never blocks: a subscriber whose buffer
	// is full misses the notice.
	Publish(Notice)
	// Subscribe returns a subscription with a buffer of n notices (at least 1).
	Subscribe(n int) Subscription
}

// Subscription receives notices until it is closed.
type Subscription interface {
	// C delivers notices. It is closed by Close.
	C() <-chan Notice
	// Close ends the subscription. It may be called more than once.
	Close()
}
