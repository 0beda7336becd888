/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/* A hostile driver of the entropy device, while the other CPU counts. */
#include "guests/lib/virtio.h"

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_RNG, &v), "no entropy device");
	virtio_abuse_all(&v);
}
