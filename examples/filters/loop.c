/* Does not end: it runs out of fuel. */
#include "filter.h"

SEC("socket") int loop(struct __sk_buff *skb)
{
	volatile u32 forever = 1;

	while (forever)
		;
	return EVL_RX_ACCEPT;
}
