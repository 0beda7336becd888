/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/guest.h"

#define TRAMPOLINE 0x10000
#define LAPIC_ICR 0x30
#define ICR_INIT_ALL_OTHERS 0xc4500
#define ICR_STARTUP_ALL_OTHERS (0xc4600 | TRAMPOLINE >> 12)
/* An emulated CPU may be slow: this many TSC ticks for others to do something. */
#define PATIENCE 30000000000ULL

extern const char smp_trampoline[], smp_trampoline_end[];
void cpu_start(void);
void smp_entry(unsigned index);

static void (*volatile work)(unsigned index);
static volatile unsigned up = 1;
static volatile u64 ticks;

void smp_entry(unsigned index)
{
	cpu_start();
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	work(index);
}

unsigned smp_start(unsigned want, void (*fn)(unsigned index))
{
	u64 start = cpu_ticks();

	work = fn;
	memcpy((void *)TRAMPOLINE, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
	lapic_write(LAPIC_ICR, ICR_INIT_ALL_OTHERS);
	lapic_write(LAPIC_ICR, ICR_STARTUP_ALL_OTHERS);
	while (up < want && cpu_ticks() - start < PATIENCE)
		cpu_relax();
	return up;
}

static void count(unsigned index)
{
	for (;;) {
		ticks++;
		cpu_relax();
	}
}

void tick_start(void)
{
	unsigned n = smp_start(2, count);

	CHECK(n == 2, "the second CPU did not start");
	tick_check("start");
}

void tick_check(const char *during)
{
	u64 was = ticks, start = cpu_ticks();

	while (ticks == was) {
		CHECK(cpu_ticks() - start < PATIENCE, "the other CPU stopped: %s", during);
		cpu_relax();
	}
}

void lock_take(struct lock *l)
{
	while (__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

void lock_give(struct lock *l)
{
	__atomic_store_n(&l->taken, 0, __ATOMIC_RELEASE);
}
