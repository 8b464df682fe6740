/* Returns what is no verdict: it counts as EVL_RX_SKIP. */
#include "filter.h"

SEC("socket") int seven(struct __sk_buff *skb)
{
	return 7;
}
