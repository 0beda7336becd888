/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/guest.h"

volatile unsigned irq_seen[IRQ_COUNTERS], irq_total;

#define COUNTER(n)               \
	static void on_##n(void) \
	{                        \
		irq_seen[n]++;   \
		irq_total++;     \
	}
COUNTER(0)
COUNTER(1)
COUNTER(2)
COUNTER(3)
COUNTER(4)
COUNTER(5)
COUNTER(6)
COUNTER(7)
COUNTER(8)
COUNTER(9)
COUNTER(10)
COUNTER(11)
COUNTER(12)
COUNTER(13)
COUNTER(14)
COUNTER(15)

void irq_count(u8 vec)
{
	static void (*const counter[IRQ_COUNTERS])(void) = {
		on_0, on_1, on_2, on_3, on_4, on_5, on_6, on_7, on_8, on_9, on_10, on_11, on_12, on_13, on_14, on_15,
	};

	for (unsigned i = 0; i < IRQ_COUNTERS; i++)
		irq_handle((u8)(vec + i), counter[i]);
}
