// SPDX-License-Identifier: Apache-2.0
// One suspended coroutine, kept by the thing that it waits for. The cheapest wait there is: no allocation, no frame of its own.
#pragma once

#include "net/task.h"

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice::net {

// At most one coroutine waits at a time. A wake without cause is allowed: whoever waits looks again. What holds the waiter must outlive
// the wait.
class Waiter {
public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { drop(); }

    bool waiting() const { return operations_ != nullptr; }

    // `co_await waiter.wait();`
    auto wait() {
        return asio::async_initiate<const asio::deferred_t&, void()>([](auto handler, Waiter* self) { self->keep(std::move(handler)); },
                                                                     asio::deferred, this);
    }

    // Goes on in this call. Only from the worker's loop, where no coroutine is running.
    void resume() {
        if (const Operations* operations = std::exchange(operations_, nullptr)) operations->resume(storage_);
    }

    // Goes on soon, from the worker's loop.
    void wake() {
        if (const Operations* operations = std::exchange(operations_, nullptr)) operations->post(storage_);
    }

private:
    struct Operations {
        void (*resume)(void*);
        void (*post)(void*);
        void (*destroy)(void*);
    };

    template <class Handler>
    static Handler take(void* storage) {
        auto* kept = std::launder(static_cast<Handler*>(storage));
        Handler handler(std::move(*kept));
        kept->~Handler();
        return handler;
    }

    template <class Handler>
    void keep(Handler handler) {
        static_assert(sizeof(Handler) <= sizeof storage_ && alignof(Handler) <= alignof(void*));
        static constexpr Operations operations{
            [](void* storage) { take<Handler>(storage)(); },
            [](void* storage) { asio::post(take<Handler>(storage)); },
            [](void* storage) { std::launder(static_cast<Handler*>(storage))->~Handler(); },
        };
        drop();
        new (static_cast<void*>(storage_)) Handler(std::move(handler));
        operations_ = &operations;
    }

    void drop() {
        if (const Operations* operations = std::exchange(operations_, nullptr)) operations->destroy(storage_);
    }

    const Operations* operations_ = nullptr;
    alignas(void*) std::byte storage_[4 * sizeof(void*)];
};

}  // namespace sluice::net
