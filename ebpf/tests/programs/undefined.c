#include "../../../examples/filters/filter.h"

extern u32 elsewhere;

SEC("socket") int undefined(struct __sk_buff *skb)
{
	return elsewhere;
}
