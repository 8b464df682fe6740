/* No frame gets through. */
#include "filter.h"

SEC("socket/drop") int drop_all(struct __sk_buff *skb)
{
	return EVL_RX_DROP;
}
