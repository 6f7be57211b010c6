// Package market holds the words in which Foretick speaks of prices: instruments,
// ticks, bars, intervals and trading calendars, and the two machines that make bars:
// [Builder] turns ticks into bars and [Rollup] turns bars into coarser bars. It has
// no clock, no goroutine and no input or output, and needs only the standard library.
//
// # Time
//
// An instant is a [Time], whole microseconds since 1970 in UTC. A bar covers the
// half-open stretch [Start, End): a trade at exactly 10:01:00 belongs to the minute
// that starts then, never to the one that ends then. Bars are known by their start.
//
// An [Interval] is the length of a bar. It is not a duration: a month has 28 to 31
// days, and the bar after Friday's close is Monday's. [Interval.End] and
// [Interval.Next] say when a bar ends and which one follows; the latter asks a
// [Calendar], which knows when the market is open: [Always], [USEquities], [FXWeek],
// or what [Recorded] bars show. The first three are [Sessions] too, which tell when
// the market opens and closes.
//
// # From ticks to bars
//
// A tick is one trade. A bar is what a stretch of trades leaves behind: the price of
// the earliest trade (open), of the latest (close), the extremes and the volume.
// When nobody traded there is no bar. It is not invented, because a model that
// learnt from invented bars would learn that prices like to stand still.
//
// The hard question is when a bar is final, since trades arrive late and out of
// order. The rule: a bar is final when a trade of a later bar arrives, or, so that a
// quiet market does not keep its last bar for itself, when its end has passed by a
// grace period. What arrives for a bar after that makes a new revision of it. The
// first revision, 0, is what was known when the bar became final and is what
// forecasts were made from; it is never overwritten in silence. Only the newest
// bars can be revised; a trade that comes later still is refused, with the reason.
//
// Open and close go by the time of the trade, then by the venue's sequence number,
// and only where these are equal by the order of arrival. So bars depend on the
// trades alone: not on how they were cut into batches, and not on the order in which
// a network delivered them, as long as the delay is within the grace.
//
// # From bars to coarser bars
//
// [Rollup] applies the same rule one level up. A five-minute bar is final when a
// minute bar of a later five minutes arrives, when a minute bar ends exactly where
// it ends, or by the timer; a revision of a minute bar revises the five-minute bar
// it is part of. At every moment the result equals folding the newest revisions of
// all minute bars from scratch, see [Fold].
package market
