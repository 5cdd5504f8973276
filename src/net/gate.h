// SPDX-License-Identifier: Apache-2.0
// Joins coroutines of one worker without a timer and without a lock.
#pragma once

#include "net/waiter.h"

namespace sluice::net {

// Shut at first. `open` lets through who waits and who comes later, until it is shut again. One coroutine waits at a time.
class Gate {
public:
    Task<void> wait() {
        while (!open_) co_await waiter_.wait();
    }
    void open() {
        open_ = true;
        waiter_.wake();
    }
    void shut() { open_ = false; }
    bool is_open() const { return open_; }

private:
    bool open_ = false;
    Waiter waiter_;
};

}  // namespace sluice::net
