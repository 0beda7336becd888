/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 80
/* The warm reset word tells a panic's reset from an ordinary one. */
#include "guests/lib/guest.h"

void guest_main(void)
{
	say_pass();
	mmio_write(X86_WARM_RESET_GPA, 2, 0x1234);
	port_write(X86_RESET_PORT, 1, X86_RESET_VALUE);
	cpu_halt();
}
