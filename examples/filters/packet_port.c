/* As udp_port.c, by packet instructions: less to do for each frame. */
#include "filter.h"

#ifndef PORT
#define PORT 42042
#endif

SEC("socket") int packet_port(struct __sk_buff *skb)
{
	if (skb->protocol != htons(0x8100) || (load_half(skb, 0) & 0xfff) != 42 || load_half(skb, 2) != 0x800)
		return EVL_RX_SKIP;
	if (load_byte(skb, 4 + 9) != 17)
		return EVL_RX_SKIP;
	return load_half(skb, 4 + (load_byte(skb, 4) & 15) * 4 + 2) == PORT ? EVL_RX_ACCEPT : EVL_RX_SKIP;
}

char _license[] SEC("license") = "GPL";
