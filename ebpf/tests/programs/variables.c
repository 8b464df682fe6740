/* Variables, constants and functions. */
#include "../../../examples/filters/filter.h"

const volatile u16 port = 7;
volatile u64 seen;
volatile u32 last = 3;

static const u8 verdicts[8] = { 1, 2, 3, 1, 2, 3, 1, 2 };

static __attribute__((noinline)) u32 verdict_of(u32 number)
{
	return ((const volatile u8 *)verdicts)[number & 7];
}

__attribute__((noinline)) int port_of(struct __sk_buff *skb)
{
	u16 found = 0;

	bpf_skb_load_bytes(skb, 22, &found, sizeof(found));
	return __builtin_bswap16(found);
}

SEC("socket") int variables(struct __sk_buff *skb)
{
	seen++;
	last = port_of(skb);
	return last == port ? verdict_of(last) : EVL_RX_VLAN;
}
