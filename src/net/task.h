// SPDX-License-Identifier: Apache-2.0
// Coroutines of a worker. The executor is the concrete one: no type erasure on the way of a byte.
//
// Everything that a Task touches belongs to the worker that it runs on; it is never resumed by another thread. `net::spawn` (worker.h)
// starts one of its own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace sluice::net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;

template <class T>
using Task = asio::awaitable<T, Executor>;

}  // namespace sluice::net
