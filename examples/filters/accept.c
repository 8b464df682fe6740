/* Every frame is real-time. */
#include "filter.h"

SEC("socket") int accept_all(struct __sk_buff *skb)
{
	return EVL_RX_ACCEPT;
}

char _license[] SEC("license") = "GPL";
