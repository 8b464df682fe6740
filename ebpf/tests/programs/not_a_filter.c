#include "../../../examples/filters/filter.h"

SEC("xdp") int pass(void *context)
{
	return 2;
}
