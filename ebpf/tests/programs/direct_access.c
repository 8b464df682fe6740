#include "../../../examples/filters/filter.h"

SEC("socket") int direct(struct __sk_buff *skb)
{
	return *(u8 *)(u64)skb->data;
}
