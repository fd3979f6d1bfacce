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

/** Closes a connection when its channel has closed, or after a moment. */
export async function closeAfter(channelClosed: Promise<void>, connection: RTCPeerConnection): Promise<void> {
  const timer = setTimeout(() => connection.close(), FAREWELL_TIMEOUT);
  await channelClosed;
  clearTimeout(timer);
  connection.close();
}
