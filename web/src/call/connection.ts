/** How long a connection stays open so that the goodbye can go out, in ms. */
const FAREWELL_TIMEOUT = 1_000;

/** Makes a connection, without the service's ICE servers if the browser refuses them. */
export function connect(configuration: RTCConfiguration): RTCPeerConnection {
  try {
    return new RTCPeerConnection(configuration);
  } catch (error) {
    if (!(error instanceof DOMException) || (configuration.iceServers ?? []).length === 0) throw error;
    return new RTCPeerConnection({ ...configuration, iceServers: [] });
  }
}

/**
 * Has a connection use other ICE servers, and another policy, from its next restart on. Credentials for a relay are valid for an hour, and a call
 * may last longer.
 */
export function reconfigure(connection: RTCPeerConnection, { iceServers = [], iceTransportPolicy = "all" }: RTCConfiguration): void {
  try {
    // Nothing else may change, and Chromium takes what is left out for a change.
    connection.setConfiguration({ ...connection.getConfiguration(), iceServers, iceTransportPolicy });
  } catch {
    // The browser cannot use these servers, or change them. Those of before stay.
  }
}

/** What the browser tells of a connection. It may tell nothing of a closed one: Firefox rejects the question then. */
export async function statsOf(connection: RTCPeerConnection): Promise<{ values(): Iterable<unknown> }> {
  try {
    return await connection.getStats();
  } catch (error) {
    if (connection.signalingState !== "closed") throw error;
    return [];
  }
}

/** Closes a connection when its channel has closed, or after a moment. */
export async function closeAfter(channelClosed: Promise<void>, connection: RTCPeerConnection): Promise<void> {
  const timer = setTimeout(() => connection.close(), FAREWELL_TIMEOUT);
  await channelClosed;
  clearTimeout(timer);
  connection.close();
}
