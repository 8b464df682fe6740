#include "../../../examples/filters/filter.h"

static long (*bpf_tail_call)(void *skb, void *map, u32 index) = (void *)12;

SEC("socket") int jumps_away(struct __sk_buff *skb)
{
	bpf_tail_call(skb, 0, 1);
	return 0;
}
