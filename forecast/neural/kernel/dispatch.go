package kernel

// All lists the implementations that this processor can run, Plain first, the fastest
// last.
func All() []Set { return append([]Set{Plain}, native()...) }

// Best is the fastest implementation that this processor can run.
func Best() Set {
	all := All()
	return all[len(all)-1]
}
